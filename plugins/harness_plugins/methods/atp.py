"""ATP: sparsity rises with depth in equal steps.

Huang et al., "Determining Layer-wise Sparsity for Large Language Models Through a Theoretical
Perspective", 2025 (arXiv:2502.14770): errors of early layers add up, so block i of L gets

    s_i = p - beta (L - 1) / 2 + beta (i - 1),

one parameter, no score. Each tower has a depth of its own, and the mean is over weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.plugin import (
    BudgetAllocator,
    LayerInfo,
    ScoreTable,
    Target,
    apportion_shifted,
    hookimpl,
)


@dataclass(frozen=True)
class DepthProgression:
    """Block sparsities in arithmetic progression inside every tower."""

    name: ClassVar[str] = "depth-progression"

    beta: float = 0.01
    """Step from one block to the next; negative = early blocks are pruned more."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        last: dict[str, int] = {}
        for layer in layers:
            last[layer.tower] = max(layer.block, last.get(layer.tower, 0))
        keep = apportion_shifted(
            target,
            [-self.beta * (i.block - last[i.tower] / 2) for i in layers],
            sizes=[i.numel for i in layers],
            floors=[target.min_keep[i.name] for i in layers],
        )
        return {i.name: count for i, count in zip(layers, keep, strict=True)}


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [DepthProgression]
