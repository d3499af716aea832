"""DSnoT: exchange pruned for kept weights until a row's expected output error is gone.

Zhang et al., "Dynamic Sparse No Training: Training-Free Fine-tuning for Sparse LLMs", ICLR 2024
(arXiv:2310.08915). Reference: zyxxmu/DSnoT, lib/prune.py. It starts from another pruner's mask and
changes no weight. With S_rj the sum of x_j over a sample's tokens, in the mean, the error that is
expected of row r is what its pruned weights would have added:

    e_r = sum_{j pruned} W_rj S_j.

In every cycle each row grows one weight back, the pruned one that takes most of e_r away,

    argmax_j  sign(e_r) W_rj S_j / Var(x_j)^power,

and prunes one for it, the kept one of the lowest Wanda score |W_rj| ||X_j||_2 among those whose
loss takes from e_r as well (sign(e_r) W_rj S_j < 0). A row is done when |e_r| is at most the
threshold, when nothing is left to exchange, or when an exchange would turn the sign of e_r.

With n:m both weights are of one group. Departures from the reference: with n:m, too, an exchange
has to take from the error (the reference prunes the group's lowest score), no layer is left out
(the reference skips MLPs), and the variance is that of all tokens, not the mean of the samples'.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

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

    def prune(self, job: LayerJob) -> LayerResult:
        assert job.keep is not None
        rows, columns = job.weight.shape
        width = job.pattern.of if job.pattern else columns
        stats = job.stats
        parts = job.weight * (stats.input_mean * (stats.tokens / max(1, stats.samples)))
        wanda = (job.weight.abs() * stats.input_sq.sqrt()).reshape(rows, -1, width)
        steady = stats.input_var.clamp_min(torch.finfo(parts.dtype).tiny) ** self.power
        steady = steady.reshape(-1, width)
        keep = job.keep.clone().reshape(rows, -1, width)
        error = parts.masked_fill(job.keep, 0).sum(dim=1)
        parts = parts.reshape(keep.shape)
        before = float(error.abs().sum())
        sign = error.sign().reshape(-1, 1, 1)
        open_rows, swaps = error.abs() > self.threshold, 0
        each = torch.arange(rows, device=error.device)
        for _ in range(self.cycles):
            if not bool(open_rows.any()):
                break
            can_go = keep & (sign * parts < 0)
            gain = (sign * parts / steady).masked_fill(keep | (sign * parts <= 0), NEVER)
            gain = gain.masked_fill(~can_go.any(dim=2, keepdim=True), NEVER).reshape(rows, -1)
            best, grown = gain.max(dim=1)
            group, grown = grown // width, grown % width
            pruned = (-wanda[each, group]).masked_fill(~can_go[each, group], NEVER).argmax(dim=1)
            after = error + parts[each, group, pruned] - parts[each, group, grown]
            open_rows &= (best > NEVER) & (after.sign() * sign.reshape(-1) >= 0)
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
