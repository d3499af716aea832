"""ECoFLaP's budget as released: rounded up in every round, and the excess added once more.

ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/layer_single_base_pruner.py,
compute_the_sparsity_per_group. Shares are rounded up, so that up to one weight per group too many
is kept; what was meant to take them back from the largest groups has its sign the wrong way round
and gives those groups as many again. From the first addition on all counts are float32, whose
steps are 4 weights at the size of a BLIP-2 block and 128 at that of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from harness.plugin import (
    BudgetAllocator,
    Granularity,
    InfeasibleError,
    LayerInfo,
    PartError,
    ScoreTable,
    Target,
    hookimpl,
)


@dataclass(frozen=True)
class CappedProportionalOfficial:
    """Every layer of a group is pruned to the sparsity that the released routine gives it."""

    name: ClassVar[str] = "capped-proportional-official"
    exact: ClassVar[bool] = False

    granularity: Granularity = "block"
    aggregate: Literal["sum", "mean"] = "sum"

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError(f"budget={self.name} needs score=NAME")
        value = scores.total if self.aggregate == "sum" else scores.mean
        sparsities = released_sparsities(
            [value(group) for group in scores.groups],
            [group.numel for group in scores.groups],
            sparsity=target.sparsity,
            p_max=1.0 if target.p_max is None else target.p_max,
        )
        return {
            layer.name: layer.numel - int(layer.numel * sparsity)
            for group, sparsity in zip(scores.groups, sparsities, strict=True)
            for layer in group.layers
        }


def released_sparsities(
    scores: Sequence[float], sizes: Sequence[int], *, sparsity: float, p_max: float
) -> list[float]:
    """Sparsity of each group.

    Raises:
        PartError: A score is negative.
        InfeasibleError: The scores that are left cannot share out what is missing; the released
            code gives NaN or does not end.
    """
    if min(scores) < 0:
        raise PartError(f"the released budget needs scores >= 0, one is {min(scores):g}")
    shares = torch.tensor(scores, dtype=torch.float32)
    numel = torch.tensor(sizes)
    wanted = int(sum(sizes) * (1 - sparsity))
    keep = torch.ceil(numel * (1 - p_max)).long()
    while keep.sum() < wanted:
        kept = keep.sum()
        flow = shares / shares.sum()
        keep = keep + torch.ceil(flow * (wanted - kept))
        if not keep.sum() > kept:
            raise InfeasibleError(
                f"the released budget stops at {int(kept)} of {wanted} weights: "
                f"no group with a score above zero can take more"
            )
        shares[keep >= numel] = 0
        keep = torch.minimum(keep, numel)
        _add_excess_again(keep, numel, wanted, p_max)
    fractions: list[float] = (1 - keep / numel).clamp(0, 1).tolist()
    return fractions


def _add_excess_again(keep: Tensor, numel: Tensor, wanted: int, p_max: float) -> None:
    """Add to the largest groups, in place, what they should have lost."""
    excess = keep.sum() - wanted
    for index in torch.argsort(keep, descending=True, stable=True):
        if excess <= 0:
            return
        change = torch.minimum(excess, keep[index] - (numel[index] * (1 - p_max)).int())
        keep[index] += change
        excess = excess - change


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [CappedProportionalOfficial]
