"""Exact integer shares of a total: budgets never lose or gain a weight to rounding."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from harness.plugin.values import Group, LayerInfo, Target


def apportion(
    total: int,
    shares: Sequence[float | Fraction],
    *,
    floors: Sequence[int],
    ceilings: Sequence[int],
) -> list[int]:
    """Split `total` in proportion to `shares`, each part within its bounds.

    A part is ``floor + t * share`` cut off at its ceiling, with one t for all (water filling).
    Fractions are settled by largest remainder; of equal remainders the earlier part gains.

    Args:
        total: What to hand out, at least ``sum(floors)`` and at most ``sum(ceilings)``.
        shares: Non-negative and finite. Where all open shares are zero they count as equal.
        floors: What each part gets in any case.
        ceilings: What each part can take at most.

    Returns:
        One integer per share, exactly `total` in sum.

    Raises:
        ValueError: The bounds leave no way to reach `total`, or a share is negative.

    >>> apportion(10, [1, 1, 2], floors=[0, 0, 0], ceilings=[9, 9, 4])
    [3, 3, 4]
    """
    if not sum(floors) <= total <= sum(ceilings):
        raise ValueError(f"total {total} is outside [{sum(floors)}, {sum(ceilings)}]")
    if any(share < 0 for share in shares):
        raise ValueError(f"negative share {min(shares)}")
    exact = _water_fill(total, [Fraction(s) for s in shares], floors, ceilings)
    parts = [int(value) for value in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def apportion_evenly(total: int, sizes: Sequence[int], floors: Sequence[int]) -> list[int]:
    """Split `total` so that every part keeps the same share of its size, but never below its floor.

    >>> apportion_evenly(5, [4, 6], floors=[0, 0])
    [2, 3]
    """
    share = Fraction(total, sum(sizes))
    above = [max(Fraction(0), size * share - low) for size, low in zip(sizes, floors, strict=True)]
    return apportion(total, above, floors=floors, ceilings=sizes)


def _water_fill(
    total: int, shares: list[Fraction], floors: Sequence[int], ceilings: Sequence[int]
) -> list[Fraction]:
    parts = [Fraction(floor) for floor in floors]
    is_open = [floor < ceiling for floor, ceiling in zip(floors, ceilings, strict=True)]
    rest = Fraction(total - sum(floors))
    while rest > 0:
        indices = [i for i, open_ in enumerate(is_open) if open_]
        weight = sum((shares[i] for i in indices), Fraction(0))
        flow = {i: shares[i] / weight if weight else Fraction(1, len(indices)) for i in indices}
        # The largest step that overfills no part; those it fills are closed.
        step = min(
            [rest, *((ceilings[i] - parts[i]) / share for i, share in flow.items() if share)]
        )
        for i, share in flow.items():
            parts[i] += step * share
            is_open[i] = parts[i] < ceilings[i]
        rest -= step
    return parts


def apportion_shifted(
    target: Target, shifts: Sequence[float], *, sizes: Sequence[int], floors: Sequence[int]
) -> list[int]:
    """Split the target so that part i keeps 1 - sparsity + shift i of its size, as far as it can.

    Args:
        shifts: Any numbers; their mean over all weights is taken off first.

    Returns:
        One keep count per part, at least its floor, ``target.keep`` in sum.
    """
    mean = sum(s * n for s, n in zip(shifts, sizes, strict=True)) / sum(sizes)
    beyond = [
        max(0.0, n * (1 - target.sparsity + s - mean) - floor)
        for s, n, floor in zip(shifts, sizes, floors, strict=True)
    ]
    return apportion(target.keep, beyond, floors=floors, ceilings=sizes)


def split_evenly(groups: Sequence[Group], keep: Sequence[int], target: Target) -> dict[str, int]:
    """Give every layer its group's keep ratio, as far as the layers' floors allow.

    Returns:
        Layer name -> keep count; the counts of a group's layers add up to the group's.
    """
    budget: dict[str, int] = {}
    for group, count in zip(groups, keep, strict=True):
        sizes = [layer.numel for layer in group.layers]
        floors = [target.min_keep[layer.name] for layer in group.layers]
        counts = apportion_evenly(count, sizes, floors)
        budget |= {i.name: count for i, count in zip(group.layers, counts, strict=True)}
    return budget


def tower_targets(layers: Sequence[LayerInfo], target: Target) -> dict[str, Target]:
    """Tower -> a target of its own at the same sparsity; what they keep adds up to the target's."""
    towers = list(dict.fromkeys(layer.tower for layer in layers))
    pools = [[layer for layer in layers if layer.tower == tower] for tower in towers]
    sizes = [sum(layer.numel for layer in pool) for pool in pools]
    floors = [sum(target.min_keep[layer.name] for layer in pool) for pool in pools]
    keep = apportion_evenly(target.keep, sizes, floors)
    return {tower: replace(target, keep=count) for tower, count in zip(towers, keep, strict=True)}


def floor_of(group: Group, target: Target) -> int:
    """The least that a group has to keep."""
    return sum(target.min_keep[layer.name] for layer in group.layers)
