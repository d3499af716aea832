"""OWL as released: blocks count alike whatever their size, and rows lose whole parts.

luuyin/OWL, lib/prune_all.py, prune_wanda_outlier. Keep ratios are shifted so that their mean over
blocks is 1 - p, which misses p where blocks differ in size; every row then loses int(columns s) of
its weights, so that the model ends below p; a block whose sparsity would be 0 or less gets 0.01.
Its argument for M is 3 if none is given; its scripts, its instructions and the paper give 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, ClassVar

from pydantic import Field

from harness.plugin import (
    BudgetAllocator,
    Granularity,
    InfeasibleError,
    LayerInfo,
    PartError,
    Recipe,
    ScoreTable,
    Target,
    hookimpl,
)
from harness_plugins.methods.official.whole_rows import kept_in_rows

LEAST_SPARSITY = 0.01


@dataclass(frozen=True)
class OWLOfficial:
    """Keep ratios within 2 `spread` of each other, 1 - p in the mean over blocks."""

    name: ClassVar[str] = "owl-official"
    granularity: ClassVar[Granularity] = "block"
    exact: ClassVar[bool] = False

    spread: Annotated[float, Field(gt=0, lt=0.5)] = 0.08
    """The released Lamda."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError(f"budget={self.name} needs score=NAME")
        ratios = keep_ratios(
            [scores.total(group) for group in scores.groups], self.spread, target.sparsity
        )
        return {
            layer.name: kept_in_rows(layer, 1 - ratio if ratio < 1 else LEAST_SPARSITY)
            for group, ratio in zip(scores.groups, ratios, strict=True)
            for layer in group.layers
        }


def keep_ratios(scores: Sequence[float], spread: float, sparsity: float) -> list[float]:
    """Keep ratio of each block; it may leave [0, 1].

    Raises:
        InfeasibleError: All scores are equal; the released code divides by zero.
    """
    least, width = min(scores), max(scores) - min(scores)
    if not width:
        raise InfeasibleError("all blocks have one score; the released OWL divides by zero")
    scaled = [(score - least) * (1 / width * spread * 2) for score in scores]
    mean = fmean(scaled)
    return [ratio - mean + (1 - sparsity) for ratio in scaled]


OWL_OFFICIAL = Recipe(
    name="owl-official",
    paper="OWL as released in luuyin/OWL (lib/prune_all.py), M = 5, Lamda = 0.08, with Wanda.",
    score="outlier-ratio",
    budget="owl-official",
    local=("wanda",),
)


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [OWLOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [OWL_OFFICIAL]
