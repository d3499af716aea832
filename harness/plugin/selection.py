"""From scores to a keep mask with an exact count: the rule every local pruner shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from harness.errors import PartError

if TYPE_CHECKING:
    from torch import Tensor

    from harness.plugin.values import Pattern

Compare = Literal["row", "layer", "columns"]


def keep_largest(
    scores: Tensor,
    keep_count: int,
    *,
    compare: Compare,
    pattern: Pattern | None = None,
    columns: int = 128,
) -> Tensor:
    """Keep the `keep_count` largest scores of each comparison group.

    ``row``: every row keeps ``keep_count // rows``; the remaining ``keep_count % rows`` go to the
    rows whose next score is largest (of equal ones to the lower row). ``layer``: one group.
    ``columns``: blocks of so many consecutive inputs over all rows, each with its `columns_share`;
    SparseGPT's groups. With an n:m `pattern`, every run of m inputs keeps its n largest, and
    `keep_count` must say so. Among equal scores the lower index is pruned first.

    Args:
        scores: (out, in), finite; higher = keep.
        keep_count: How many of all out * in entries to keep.
        columns: Width of a block of ``compare="columns"``; the last one may be narrower.

    Returns:
        bool (out, in), True = keep, with exactly `keep_count` entries True.

    Raises:
        PartError: A score is NaN or infinite, or the pattern does not fit the shape and count.
    """
    import torch

    scores = scores.detach() if scores.dtype == torch.float64 else scores.detach().float()
    if not bool(torch.isfinite(scores).all()):
        raise PartError(f"{int((~torch.isfinite(scores)).sum())} scores are NaN or infinite")
    if pattern is not None:
        return _keep_n_of_m(scores, keep_count, pattern)
    if compare == "row":
        return _keep_in_rows(scores, _row_counts(scores, keep_count))
    if compare == "layer":
        return _keep_in_all(scores, keep_count)
    inputs = scores.shape[1]
    blocks = []
    for start in range(0, inputs, columns):
        stop = min(start + columns, inputs)
        share = columns_share(keep_count, start, stop, inputs)
        blocks.append(_keep_in_all(scores[:, start:stop], share))
    return torch.cat(blocks, dim=1)


def columns_share(keep_count: int, start: int, stop: int, columns: int) -> int:
    """How many of a layer's kept weights lie in the columns from `start` up to `stop`.

    Shares are in proportion to the width, rounded cumulatively from the left: those of adjoining
    blocks add up to the share of their union, and those of all to `keep_count`.

    >>> [columns_share(7, start, start + 2, 6) for start in (0, 2, 4)]
    [2, 3, 2]
    """

    def left_of(column: int) -> int:
        return (2 * keep_count * column + columns) // (2 * columns)

    return left_of(stop) - left_of(start)


def _keep_in_all(scores: Tensor, keep_count: int) -> Tensor:
    """Keep the `keep_count` largest of all scores."""
    flat = scores.reshape(1, -1)
    return _keep_in_rows(flat, flat.new_tensor([keep_count]).long()).reshape(scores.shape)


def _row_counts(scores: Tensor, keep_count: int) -> Tensor:
    """How many each row keeps, (out,): the remainder goes where the next score is largest."""
    import torch

    rows, columns = scores.shape
    base, extra = divmod(keep_count, rows)
    counts = torch.full((rows,), base, dtype=torch.long, device=scores.device)
    if extra:
        following = _smallest(scores, columns - base).squeeze(1)
        counts[torch.argsort(following, descending=True, stable=True)[:extra]] += 1
    return counts


def _keep_in_rows(scores: Tensor, counts: Tensor) -> Tensor:
    """Keep the `counts[row]` largest scores of each row."""
    import torch

    drops = scores.shape[1] - counts
    different = sorted(set(drops.tolist()))
    if len(different) == 1:
        return _keep_but(scores, different[0])
    keep = torch.empty_like(scores, dtype=torch.bool)
    for drop in different:
        rows = drops == drop
        keep[rows] = _keep_but(scores[rows], drop)
    return keep


def _keep_but(scores: Tensor, drop: int) -> Tensor:
    """Keep all but the `drop` smallest scores of every row, the lower index first to go."""
    import torch

    if drop == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    threshold = _smallest(scores, drop)
    keep = scores > threshold
    # Of the scores equal to the threshold only as many go as are still missing.
    tied = scores == threshold
    spare = (keep | tied).sum(dim=1) - (scores.shape[1] - drop)
    lucky = tied.sum(dim=1) > spare
    if bool(lucky.any()):
        rows = tied[lucky]
        keep[lucky] |= rows & (rows.cumsum(dim=1) > spare[lucky].unsqueeze(1))
    return keep


def _smallest(scores: Tensor, rank: int) -> Tensor:
    """The score of that rank in each row (rows, 1), counted from the smallest as 1."""
    if scores.device.type == "cpu":  # NumPy selects twice as fast as torch there
        import numpy as np
        import torch

        chosen = np.partition(scores.numpy(), rank - 1, axis=1)[:, rank - 1 : rank]
        return torch.from_numpy(chosen.copy())
    return scores.kthvalue(rank, dim=1, keepdim=True).values


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
