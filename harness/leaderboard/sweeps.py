"""Sweeps: one pruner over several sparsities, as one number per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.leaderboard.board import Board, Column, Row
from harness.statistics import trapezoid_area


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One pruner at two sparsities or more."""

    name: str
    sparsities: tuple[float, ...]
    """Ascending; rows that missed theirs are left out."""
    means: Mapping[Column, float]
    """Mean score between the lowest and the highest sparsity: the area under the straight lines
    through its rows, over its width. Of columns that all of its rows have."""


def make_sweeps(board: Board) -> list[Sweep]:
    """The sweeps of a board, in the order of its rows."""
    by_name: dict[str, list[Row]] = {}
    for row in board.rows:
        if not row.is_control and row.meets_sparsity:
            by_name.setdefault(row.name, []).append(row)
    return [
        _make_sweep(name, sorted(rows, key=lambda row: row.sparsity), board.columns)
        for name, rows in by_name.items()
        if len({row.sparsity for row in rows}) > 1
    ]


def _make_sweep(name: str, rows: Sequence[Row], columns: Sequence[Column]) -> Sweep:
    at = tuple(row.sparsity for row in rows)
    means = {}
    for column in columns:
        values = [row.scores[column].value for row in rows if column in row.scores]
        defined = [value for value in values if value is not None]
        if len(defined) == len(rows):
            means[column] = trapezoid_area(at, defined) / (at[-1] - at[0])
    return Sweep(name=name, sparsities=at, means=means)
