"""Every layer at the target sparsity."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.plugin import (
    BudgetAllocator,
    LayerInfo,
    ScoreTable,
    Target,
    apportion,
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
        # With caps near the target the floors come close to the shares; what is left above
        # them is shared in proportion to what the plain shares leave above them.
        share = target.keep / sum(sizes)
        above = [max(0.0, size * share - floor) for size, floor in zip(sizes, floors, strict=True)]
        keep = apportion(target.keep, above, floors=floors, ceilings=sizes)
        return {layer.name: count for layer, count in zip(layers, keep, strict=True)}


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [Uniform]
