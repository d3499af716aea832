"""ATP: sparsity rises with depth in equal steps.

Huang, Zhang, Zheng, Chao, Ji, "Determining Layer-wise Sparsity for Large Language Models Through a
Theoretical Perspective", ICML 2025 (arXiv:2502.14770). Reference: wzhuang-xmu/ATP, main.py and
search.sh. Errors of early layers add up, so block i of L, counted from 0, gets

    s_i = p - beta (L - 1) / 2 + beta i,    0 < beta <= min(2 p, 2 (1 - p)) / (L - 1),

one parameter, no score. There is no default: the authors prune with 0.002, 0.004 … up to the
largest legal beta and keep what gives the lowest perplexity. As a grid here,

    --pruner "atp budget.beta=0.002,atp budget.beta=0.004,…" --tasks wikitext

Each tower has a depth of its own, and the mean is over weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.plugin import (
    BudgetAllocator,
    InfeasibleError,
    LayerInfo,
    Recipe,
    ScoreTable,
    Target,
    apportion_shifted,
    hookimpl,
)


@dataclass(frozen=True)
class DepthProgression:
    """Block sparsities in arithmetic progression inside every tower."""

    name: ClassVar[str] = "depth-progression"

    beta: float
    """Step from one block to the next, to be found by search; negative = early blocks more."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        last = last_blocks(layers)
        refuse_illegal(abs(self.beta), max(last.values()), target.sparsity)
        keep = apportion_shifted(
            target,
            [-self.beta * (i.block - last[i.tower] / 2) for i in layers],
            sizes=[i.numel for i in layers],
            floors=[target.min_keep[i.name] for i in layers],
        )
        return {i.name: count for i, count in zip(layers, keep, strict=True)}


def last_blocks(layers: Sequence[LayerInfo]) -> dict[str, int]:
    """Tower -> position of its last block, L - 1."""
    last: dict[str, int] = {}
    for layer in layers:
        last[layer.tower] = max(layer.block, last.get(layer.tower, 0))
    return last


def refuse_illegal(beta: float, last: int, sparsity: float) -> None:
    """Raise `InfeasibleError` where a block's sparsity would leave [0, 1]."""
    if last and beta > (largest := min(2 * sparsity, 2 * (1 - sparsity)) / last):
        raise InfeasibleError(
            f"beta {beta:g} takes a block out of [0, 1] at sparsity {sparsity:g}; "
            f"the largest legal beta for {last + 1} blocks is {largest:g}"
        )


RECIPE = Recipe(
    name="atp",
    paper="Huang et al., ICML 2025 (arXiv:2502.14770), with Wanda; say budget.beta=….",
    budget="depth-progression",
    local=("wanda",),
)


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [DepthProgression]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [RECIPE]
