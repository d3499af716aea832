"""From scores to a keep mask with an exact count: the rule every local pruner shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from harness.errors import PartError

if TYPE_CHECKING:
    from torch import Tensor

    from harness.plugin.values import Pattern

Compare = Literal["row", "layer"]


def keep_largest(
    scores: Tensor, keep_count: int, *, compare: Compare, pattern: Pattern | None = None
) -> Tensor:
    """Keep the `keep_count` largest scores of each comparison group.

    ``row``: every row keeps ``keep_count // rows``; the remaining ``keep_count % rows`` go to the
    rows whose next score is largest (of equal ones to the lower row). ``layer``: one group. With
    an n:m `pattern`, every run of m inputs keeps its n largest, and `keep_count` must say so.
    Among equal scores the lower index is pruned first.

    Args:
        scores: (out, in), finite; higher = keep.
        keep_count: How many of all out * in entries to keep.

    Returns:
        bool (out, in), True = keep, with exactly `keep_count` entries True.

    Raises:
        PartError: A score is NaN or infinite, or the pattern does not fit the shape and count.
    """
    import torch

    if not bool(torch.isfinite(scores).all()):
        raise PartError(f"{int((~torch.isfinite(scores)).sum())} scores are NaN or infinite")
    if pattern is not None:
        return _keep_n_of_m(scores, keep_count, pattern)
    if compare == "layer":
        flat = scores.reshape(1, -1)
        return _keep_in_rows(flat, flat.new_tensor([keep_count]).long()).reshape(scores.shape)
    return _keep_in_rows(scores, _row_counts(scores, keep_count))


def _row_counts(scores: Tensor, keep_count: int) -> Tensor:
    """How many each row keeps, (out,): the remainder goes where the next score is largest."""
    import torch

    rows, columns = scores.shape
    base, extra = divmod(keep_count, rows)
    counts = torch.full((rows,), base, dtype=torch.long, device=scores.device)
    if extra:
        following = scores.kthvalue(columns - base, dim=1).values
        counts[torch.argsort(following, descending=True, stable=True)[:extra]] += 1
    return counts


def _keep_in_rows(scores: Tensor, counts: Tensor) -> Tensor:
    """Keep the `counts[row]` largest scores of each row."""
    import torch

    keep = torch.ones_like(scores, dtype=torch.bool)
    drops = scores.shape[1] - counts
    for drop in sorted(set(drops.tolist())):
        if drop == 0:
            continue
        rows = drops == drop
        group = scores[rows]
        threshold = group.kthvalue(drop, dim=1, keepdim=True).values
        below, tied = group < threshold, group == threshold
        missing = drop - below.sum(dim=1, keepdim=True)
        keep[rows] = ~(below | (tied & (tied.cumsum(dim=1) <= missing)))
    return keep


def _keep_n_of_m(scores: Tensor, keep_count: int, pattern: Pattern) -> Tensor:
    rows, columns = scores.shape
    if columns % pattern.of or keep_count * pattern.of != rows * columns * pattern.keep:
        raise PartError(
            f"{pattern} does not fit a layer of shape {rows} x {columns} that keeps {keep_count}"
        )
    groups = scores.reshape(rows, columns // pattern.of, pattern.of)
    ascending = groups.argsort(dim=2, stable=True)
    ranks = ascending.argsort(dim=2, stable=True)
    return (ranks >= pattern.of - pattern.keep).reshape(rows, columns)
