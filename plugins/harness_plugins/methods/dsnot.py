"""DSnoT: exchange pruned for kept weights until a row's expected output error is small.

Zhang et al., "Dynamic Sparse No Training: Training-Free Fine-tuning for Sparse LLMs", ICLR 2024
(arXiv:2310.08915), Algorithm 1, eq. 2 and 3. Reference: zyxxmu/DSnoT, lib/prune.py. It starts from
another pruner's mask and changes no weight. With S_j the sum of x_j over a sample's tokens, in the
mean, the error that is expected of row r is what its pruned weights would have added:

    e_r = sum_{j pruned} W_rj S_j.

In every cycle each row grows one weight back, the pruned one that takes most of e_r away,

    argmax_j  sign(e_r) W_rj S_j / Var(x_j)^power,

and prunes one for it, the kept one of the lowest Wanda score |W_rj| ||X_j||_2 among those whose
loss takes from e_r as well (sign(e_r) W_rj S_j < 0).

Where a row stops: Algorithm 1 has two ends, an error below the update threshold and a greatest
number of cycles. The sign of e_r is no end: eq. 2 and 3 both have a case for either, so a row whose
error has turned goes on from the other side. An exchange may therefore leave a larger error than it
found. The released code can stop a row before its error turns; its default does not, and
``same_sign`` here is that switch. Besides, a row with nothing left to exchange is done.

With n:m both weights are of one group. What the released code does otherwise are the parts
``dsnot-lists-official``, ``dsnot-skip-official`` and ``dsnot-variance-official``.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import LayerJob, LayerResult, LocalPruner, Recipe, Statistic, hookimpl

NEVER = float("-inf")


@dataclass(frozen=True)
class DSnoT:
    """Grow and prune one weight of every row per cycle; every row keeps its count."""

    name: ClassVar[str] = "dsnot"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset(
        {"input_mean", "input_var", "input_sq"}
    )
    refines: ClassVar[bool] = True

    cycles: Annotated[int, Field(ge=0)] = 50
    threshold: Annotated[float, Field(ge=0)] = 0.1
    """The error that is small enough: outputs summed over a sample's tokens."""
    power: Annotated[float, Field(ge=0)] = 1.0
    """Of the variance by which growing is divided; 0 = the variance plays no part."""
    same_sign: bool = False
    """Whether a row stops before an exchange that would turn the sign of its error."""

    def prune(self, job: LayerJob) -> LayerResult:
        assert job.keep is not None
        rows, columns = job.weight.shape
        width = job.pattern.of if job.pattern else columns
        parts = expected_parts(job)
        wanda = (job.weight.abs() * job.stats.input_sq.sqrt()).reshape(rows, -1, width)
        steady = self.variance(job).clamp_min(torch.finfo(parts.dtype).tiny) ** self.power
        steady = steady.reshape(-1, width)
        keep = job.keep.clone().reshape(rows, -1, width)
        error = parts.masked_fill(job.keep, 0).sum(dim=1)
        parts = parts.reshape(keep.shape)
        before = float(error.abs().sum())
        open_rows, swaps = error.abs() > self.threshold, 0
        each = torch.arange(rows, device=error.device)
        for _ in range(self.cycles):
            if not bool(open_rows.any()):
                break
            sign = error.sign().reshape(-1, 1, 1)
            can_go = keep & (sign * parts < 0)
            gain = (sign * parts / steady).masked_fill(keep | (sign * parts <= 0), NEVER)
            gain = gain.masked_fill(~can_go.any(dim=2, keepdim=True), NEVER).reshape(rows, -1)
            best, grown = gain.max(dim=1)
            group, grown = grown // width, grown % width
            pruned = (-wanda[each, group]).masked_fill(~can_go[each, group], NEVER).argmax(dim=1)
            after = error + parts[each, group, pruned] - parts[each, group, grown]
            open_rows &= best > NEVER
            if self.same_sign:
                open_rows &= after.sign() * sign.reshape(-1) >= 0
            keep[each, group, grown] |= open_rows
            keep[each, group, pruned] &= ~open_rows
            error = torch.where(open_rows, after, error)
            swaps += int(open_rows.sum())
            open_rows &= error.abs() > self.threshold
        notes = {
            "swaps": float(swaps),
            "expected_error_before": before,
            "expected_error": float(error.abs().sum()),
        }
        return LayerResult(keep=keep.reshape(rows, columns), notes=notes)

    def variance(self, job: LayerJob) -> Tensor:
        """(in,): of each input over all calibration tokens."""
        return job.stats.input_var


def expected_parts(job: LayerJob) -> Tensor:
    """W_rj S_j (out, in): what each weight is expected to add to a sample's summed output."""
    stats = job.stats
    return job.weight * (stats.input_mean * (stats.tokens / max(1, stats.samples)))


RECIPE = Recipe(
    name="dsnot",
    paper="Zhang et al., ICLR 2024 (arXiv:2310.08915), on Wanda's mask.",
    local=("wanda", "dsnot"),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [DSnoT]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [RECIPE]
