"""What budget allocators give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from harness.contract.seen import kind_of
from harness.errors import PartError
from harness.plugin import AllocatorTags, LayerInfo, Target


def check_budget(
    budget: Any, layers: Sequence[LayerInfo], target: Target, tags: AllocatorTags
) -> dict[str, int]:
    """Compare an allocator's answer with the target; an inexact one may miss total and minimum.

    Raises:
        PartError: A layer is missing or unknown, its count is no integer that it can have, or the
            total is not the target's.
    """
    if not isinstance(budget, Mapping):
        raise PartError(f"gave {kind_of(budget)}; layer -> keep count is right")
    for layer in layers:
        count: Any = budget.get(layer.name)
        least = target.min_keep[layer.name] if tags.exact else 0
        if not _is_integer(count) or not least <= int(count) <= layer.numel:
            seen = repr(count) if isinstance(count, Real | None) else kind_of(count)
            raise PartError(
                f"gives {layer.name} {seen} weights; "
                f"an integer in [{least}, {layer.numel}] is right"
            )
    if unknown := budget.keys() - {layer.name for layer in layers}:
        raise PartError(f"gives weights to {min(map(str, unknown))!r}, which is no layer")
    keep = {layer.name: int(budget[layer.name]) for layer in layers}
    total = sum(keep.values())
    if tags.exact and total != target.keep:
        raise PartError(f"keeps {total} weights in all, the target is {target.keep}")
    return keep


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
