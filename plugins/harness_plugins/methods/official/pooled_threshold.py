"""Global pruning as released: a weight stays if its score is above the int(p N)-th smallest.

ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/global_pruner.py. All that ties with the threshold
goes, and no layer has a floor. Between rounds the released code multiplies scores by the mask; here
a pruned weight is zero, and so is its score.
"""

import math
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
)


@dataclass(frozen=True)
class PooledThresholdOfficial:
    """Each layer keeps as many weights as exceed the threshold of its pool."""

    name: ClassVar[str] = "pooled-threshold-official"
    granularity: ClassVar[Granularity] = "layer"
    exact: ClassVar[bool] = False

    scope: Literal["joint", "model", "layer"] = "joint"
    """What shares a threshold: all, the towers of vision or of language, or each layer alone."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError(f"budget={self.name} needs score=NAME that scores every weight")
        pools: dict[str, list[LayerInfo]] = {}
        for layer in layers:
            model = layer.tower.partition("-")[0]  # language-encoder and -decoder are one model
            pool = {"joint": "", "model": model, "layer": layer.name}[self.scope]
            pools.setdefault(pool, []).append(layer)
        keep: dict[str, int] = {}
        for members in pools.values():
            numel = sum(layer.numel for layer in members)
            keep |= scores.count_above(math.floor(numel * target.sparsity), members)
        return keep


GLOBAL_MAGNITUDE_OFFICIAL = Recipe(
    name="global-magnitude-official",
    paper="Global magnitude as released in ylsung/ECoFLaP (BLIPT5GlobalMagPruner), signed.",
    score="signed-magnitude-official",
    budget="pooled-threshold-official",
    local=("scores",),
)


GLOBAL_GRADIENT_OFFICIAL = Recipe(
    name="global-gradient-official",
    paper="Iterative OBD as released in ylsung/ECoFLaP (global_pruner.py), |w| mean |g|, 3 rounds.",
    score="first-order",
    budget="pooled-threshold-official",
    local=("scores",),
    settings={"score.granularity": "weight"},
    rounds=3,
)


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [PooledThresholdOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [GLOBAL_MAGNITUDE_OFFICIAL, GLOBAL_GRADIENT_OFFICIAL]
