"""AlphaPruning as released: rows lose whole parts, and a block may be asked for more than it has.

haiquanlu/AlphaPruning, lib/prune.py, ww_sparsity and prune_wanda. Sparsities are scaled to the
target, and nothing holds them below 1; every row then loses int(columns s) of its weights, so that
the model ends below the target. Sizes times target are float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

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
from harness_plugins.methods.alphapruning import block_factors
from harness_plugins.methods.official.whole_rows import kept_in_rows


@dataclass(frozen=True)
class AlphaOfficial:
    """Block sparsities linear in the block's mean alpha, where a layer's alpha is 1 / score."""

    name: ClassVar[str] = "alpha-official"
    granularity: ClassVar[Granularity] = "layer"
    exact: ClassVar[bool] = False

    spread: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The released epsilon."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError(f"budget={self.name} needs score=NAME, e.g. score=hill-official")
        factors = block_factors(scores, self.spread)
        wanted = float(torch.tensor(target.numel) * target.sparsity)
        scale = wanted / sum(factors[layer.group("block")] * layer.numel for layer in layers)
        return {
            layer.name: kept_in_rows(layer, factors[layer.group("block")] * scale)
            for layer in layers
        }


ALPHAPRUNING_OFFICIAL = Recipe(
    name="alphapruning-official",
    paper="AlphaPruning as released (haiquanlu/AlphaPruning), alpha_peak, epsilon 0.3, with Wanda.",
    score="hill-official",
    budget="alpha-official",
    local=("wanda",),
)


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [AlphaOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [ALPHAPRUNING_OFFICIAL]
