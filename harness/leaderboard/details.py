"""Details: what lies behind a column's main score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.leaderboard.board import Board, Column, Row
from harness.leaderboard.cells import number


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One column's other metrics, and its main metric on the items of each label."""

    column: Column
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    absent: Mapping[tuple[str, str], Sequence[str]]
    """What is missing and why -> the rows that miss it; none = all of them."""

    @property
    def heads(self) -> tuple[str, ...]:
        return (*self.metrics, *self.labels)

    @property
    def absences(self) -> list[str]:
        return [
            f"{name} is absent{' in ' if rows else ''}{', '.join(rows)}: {why}"
            for (name, why), rows in self.absent.items()
        ]

    def texts(self, row: Row) -> list[str]:
        """A row's cells under the heads; ``-`` = it has no such number."""
        score = row.scores[self.column]
        values = [score.metrics.get(name) for name in self.metrics]
        values += [score.breakdown.get(label) for label in self.labels]
        return ["-" if value is None else number(value, self.column) for value in values]


def make_details(board: Board) -> list[Detail]:
    """The details of the columns that have any."""
    details = []
    for column in board.columns:
        rows = [row for row in board.rows if column in row.scores]
        scores = [row.scores[column] for row in rows]
        detail = Detail(
            column=column,
            metrics=tuple(dict.fromkeys(name for score in scores for name in score.metrics)),
            labels=tuple(sorted({label for score in scores for label in score.breakdown})),
            absent=_absent(column, rows),
        )
        if detail.heads or detail.absent:
            details.append(detail)
    return details


def _absent(column: Column, rows: Sequence[Row]) -> dict[tuple[str, str], list[str]]:
    missing: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for reason in row.scores[column].absent.items():
            missing.setdefault(reason, []).append(f"{row.name} {row.sparsity_text}".strip())
    return {reason: found if len(found) < len(rows) else [] for reason, found in missing.items()}
