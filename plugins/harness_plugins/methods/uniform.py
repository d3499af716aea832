"""Every layer at the target sparsity."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.plugin import (
    BudgetAllocator,
    LayerInfo,
    ScoreTable,
    Target,
    apportion_evenly,
    hookimpl,
)


class Uniform:
    """Keep the same share of every layer; the total is exact."""

    name: ClassVar[str] = "uniform"

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        sizes = [layer.numel for layer in layers]
        floors = [target.min_keep[layer.name] for layer in layers]
        keep = apportion_evenly(target.keep, sizes, floors)
        return {layer.name: count for layer, count in zip(layers, keep, strict=True)}


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [Uniform]
