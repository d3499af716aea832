"""Rows that lose whole parts of their share: int(columns s) weights each, so fewer than asked.

locuslab/wanda, lib/prune.py and image_classifiers/prune_utils.py, and what was built on it
(luuyin/OWL, haiquanlu/AlphaPruning, wzhuang-xmu/ATP): every row of a layer to be pruned to s loses
its int(columns s) smallest scores. At most one weight of each row more than asked stays.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.plugin import BudgetAllocator, LayerInfo, ScoreTable, Target, hookimpl


def kept_in_rows(layer: LayerInfo, sparsity: float) -> int:
    """How many weights stay where every row loses int(columns sparsity), all of it from 1 on.

    Args:
        sparsity: At least 0; what is above 1 counts as 1.
    """
    rows, columns = layer.shape
    return rows * max(0, columns - int(columns * sparsity))


class UniformRowsOfficial:
    """Every layer at the target sparsity, in whole parts of its rows."""

    name: ClassVar[str] = "uniform-rows-official"
    exact: ClassVar[bool] = False

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        return {layer.name: kept_in_rows(layer, target.sparsity) for layer in layers}


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [UniformRowsOfficial]
