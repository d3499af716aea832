"""Global pruning: one threshold for the weights of all layers.

The baseline of ECoFLaP's Table 1 (arXiv:2310.02998) and of most papers before: sort the scores of
all weights together and cut at the target. It factors into a budget (how many of the largest
scores lie in each layer) and a local pruner that keeps that many of each layer's largest.

The released code of ECoFLaP ranks signed weights, so that its ``global magnitude`` removes the
most negative half; here a magnitude is an absolute value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.plugin import (
    BudgetAllocator,
    Granularity,
    LayerInfo,
    PartError,
    Recipe,
    ScoreTable,
    Target,
    hookimpl,
    tower_targets,
)


@dataclass(frozen=True)
class PooledThreshold:
    """Each layer keeps those of its weights that are among the largest of all."""

    name: ClassVar[str] = "pooled-threshold"
    granularity: ClassVar[Granularity] = "layer"

    scope: Literal["joint", "tower"] = "joint"
    """``tower``: a threshold for each tower, all at the target sparsity."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError("budget=pooled-threshold needs score=NAME that scores every weight")
        if self.scope == "joint":
            return _cut(scores, layers, target.keep, target.min_keep)
        keep: dict[str, int] = {}
        for tower, own in tower_targets(layers, target).items():
            pool = [layer for layer in layers if layer.tower == tower]
            keep |= _cut(scores, pool, own.keep, own.min_keep)
        return keep


def _cut(
    scores: ScoreTable, pool: Sequence[LayerInfo], keep: int, floors: Mapping[str, int]
) -> dict[str, int]:
    """Cut one pool; layers that would fall below their floor get it, the others are cut again."""
    fixed: dict[str, int] = {}
    while True:
        free = [layer for layer in pool if layer.name not in fixed]
        counts = scores.count_largest(keep - sum(fixed.values()), free)
        short = {name: floors[name] for name, count in counts.items() if count < floors[name]}
        if not short:
            return fixed | counts
        fixed |= short


GLOBAL_MAGNITUDE = Recipe(
    name="global-magnitude",
    paper="Han et al., NeurIPS 2015 (arXiv:1506.02626), one threshold for all layers.",
    score="magnitude",
    budget="pooled-threshold",
    local=("scores",),
)


GLOBAL_GRADIENT = Recipe(
    name="global-gradient",
    paper="Taylor scores |w g|, one threshold, three rounds (Iterative OBD of arXiv:2310.02998).",
    score="first-order",
    budget="pooled-threshold",
    local=("scores",),
    settings={"score.granularity": "weight"},
    rounds=3,
)


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [PooledThreshold]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [GLOBAL_MAGNITUDE, GLOBAL_GRADIENT]
