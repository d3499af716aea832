"""ATP as released: blocks count alike whatever their size, and rows lose whole parts.

wzhuang-xmu/ATP, main.py and lib/prune.py. The progression's mean over blocks is p, which misses p
where blocks differ in size; every row loses int(columns s) of its weights, so that the model ends
below p. It has no default for beta either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from harness.plugin import BudgetAllocator, LayerInfo, Recipe, ScoreTable, Target, hookimpl
from harness_plugins.methods.atp import last_blocks, refuse_illegal
from harness_plugins.methods.official.whole_rows import kept_in_rows


@dataclass(frozen=True)
class DepthProgressionOfficial:
    """Block sparsities in arithmetic progression inside every tower, rounded down in every row."""

    name: ClassVar[str] = "depth-progression-official"
    exact: ClassVar[bool] = False

    beta: Annotated[float, Field(ge=0)]
    """Step from one block to the next, to be found by search."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        sparsities = progression(self.beta, layers, target.sparsity)
        return {layer.name: kept_in_rows(layer, sparsities[layer.name]) for layer in layers}


def progression(beta: float, layers: Sequence[LayerInfo], sparsity: float) -> dict[str, float]:
    """Layer -> its block's sparsity before rounding.

    Raises:
        InfeasibleError: A block's would leave [0, 1].
    """
    last = last_blocks(layers)
    refuse_illegal(beta, max(last.values()), sparsity)
    return {i.name: sparsity - beta * last[i.tower] / 2 + i.block * beta for i in layers}


ATP_OFFICIAL = Recipe(
    name="atp-official",
    paper="ATP as released in wzhuang-xmu/ATP, with Wanda; say budget.beta=….",
    budget="depth-progression-official",
    local=("wanda",),
)


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [DepthProgressionOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [ATP_OFFICIAL]
