"""How many weights each layer keeps: the target, its feasibility, and an allocator's answer."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.contract import check_budget
from harness.errors import InfeasibleError
from harness.plugin import AllocatorTags, BudgetAllocator, LayerInfo, Pattern, ScoreTable, Target


@dataclass(frozen=True)
class Budget:
    """Layer name -> keep count."""

    keep: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.keep.values())

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.keep, sort_keys=True).encode()).hexdigest()


def keep_total(numel: int, sparsity: float) -> int:
    """N - floor(N * s): never more zeros than asked.

    With s as the decimal that is written: 0.7 of 11,520 are 8,064, in binary fractions a bit less.
    """
    return numel - math.floor(numel * Fraction(repr(sparsity)))


def make_target(
    layers: Sequence[LayerInfo], sparsity: float, p_max: float | None, pattern: Pattern | None
) -> Target:
    """The exact total and the least each layer has to keep.

    Raises:
        InfeasibleError: The caps leave too few weights to prune, or the pattern fits no layer.
    """
    numel = sum(layer.numel for layer in layers)
    if pattern is not None:
        _check_widths(layers, pattern)
        keep = sum(pattern_keep(layer, pattern) for layer in layers)
        return Target(
            sparsity=sparsity,
            numel=numel,
            keep=keep,
            min_keep={layer.name: pattern_keep(layer, pattern) for layer in layers},
        )
    cap = 1.0 if p_max is None else p_max
    min_keep = {layer.name: math.ceil(round(layer.numel * (1 - cap), 6)) for layer in layers}
    keep = keep_total(numel, sparsity)
    if sum(min_keep.values()) > keep:
        raise InfeasibleError(
            f"sparsity {sparsity:g} cannot be met when no layer may exceed p_max {cap:g}; "
            f"the cap must be at least the sparsity"
        )
    return Target(sparsity=sparsity, numel=numel, keep=keep, min_keep=min_keep, p_max=p_max)


def pattern_keep(layer: LayerInfo, pattern: Pattern) -> int:
    """How many weights an n:m layer keeps."""
    return layer.numel * pattern.keep // pattern.of


def _check_widths(layers: Sequence[LayerInfo], pattern: Pattern) -> None:
    for layer in layers:
        if layer.shape[1] % pattern.of:
            raise InfeasibleError(
                f"pattern {pattern} does not fit layer {layer.name}: "
                f"{layer.shape[1]} inputs are no multiple of {pattern.of}"
            )


def allocate(
    allocator: BudgetAllocator,
    scores: ScoreTable | None,
    layers: Sequence[LayerInfo],
    target: Target,
) -> Budget:
    """Ask the allocator and check its answer against the target.

    Raises:
        PartError: The budget misses a layer or leaves [min_keep, numel], [0, numel] for one that
            is not exact; or the budget of an exact one misses the total.
    """
    answer = allocator.allocate(scores, layers, target)
    return Budget(check_budget(answer, layers, target, AllocatorTags.of(allocator)))


def describe(layers: Sequence[LayerInfo], budget: Budget) -> str:
    """Sparsity per block, one line per tower, for people."""
    lines = []
    for tower in dict.fromkeys(layer.tower for layer in layers):
        own = [layer for layer in layers if layer.tower == tower]
        blocks = [
            _sparsity([layer for layer in own if layer.block == block], budget)
            for block in dict.fromkeys(layer.block for layer in own)
        ]
        shown = " ".join(f"{sparsity:.3f}" for sparsity in blocks)
        lines.append(f"{tower:<17} {_sparsity(own, budget):.4f} = {shown}")
    return "\n".join(lines)


def _sparsity(layers: Sequence[LayerInfo], budget: Budget) -> float:
    return 1 - sum(budget.keep[i.name] for i in layers) / sum(i.numel for i in layers)
