"""Boards as tables on stdout, as wide as the screen, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.screen import BORDER, Beside, Cell, Head, Screen, fitting, stdout, width_of

if TYPE_CHECKING:
    from harness.leaderboard import Board, Column, Row

NAME_WIDTH = 40
#: A column's name is folded rather than that it makes the column wider.
HEAD_WIDTH = 24


@dataclass(frozen=True)
class _Shown:
    """One column as it is shown."""

    head: str
    cells: Sequence[Cell]

    @property
    def width(self) -> int:
        return max([min(width_of(self.head), HEAD_WIDTH), *map(width_of, self.cells)])


def print_board(board: Board) -> None:
    """A board as one table or, where its columns do not fit side by side, several."""
    screen = stdout()
    screen.paragraph(board.title)
    columns = [
        _Shown(board.head(column), [_score_cell(row, column) for row in board.rows])
        for column in board.columns
    ]
    names = [_name(row) for row in board.rows]
    _print_side_by_side(screen, board.rows, names, [*columns, *_costs(board.rows)])
    for column in board.columns:
        screen.paragraph(board.description(column))
    for row in board.rows:
        for remark in row.remarks:
            screen.line(f"{row.name}: {remark}")
    _print_details(board)


def _costs(rows: Sequence[Row]) -> list[_Shown]:
    kept = ["" if row.retained is None else f"{100 * row.retained:.1f} %" for row in rows]
    took = ["" if row.prune_seconds is None else f"{row.prune_seconds:.1f} s" for row in rows]
    peak = ["" if row.peak_bytes is None else f"{row.peak_bytes / 2**20:.0f} MiB" for row in rows]
    return [_Shown("kept", kept), _Shown("prune", took), _Shown("peak", peak)]


def _print_side_by_side(
    screen: Screen, rows: Sequence[Row], names: Sequence[str], columns: Sequence[_Shown]
) -> None:
    """Tables that begin with the rows' names and hold as many columns as fit."""
    sparsities = [row.sparsity_text for row in rows]
    longest = min(max(map(width_of, ["pruner", *names])), NAME_WIDTH)
    sparsity = max(map(width_of, ["sparsity", *sparsities]))
    room = screen.width - sparsity - 2 * BORDER - 1
    needed = min(longest, screen.width // 3)
    for part in fitting([column.width for column in columns], room - needed):
        shown = columns[part]
        left = room - sum(column.width + BORDER for column in shown)
        heads = [Head("pruner", width=max(1, min(longest, left)))]
        heads.append(Head("sparsity", width=sparsity))
        heads += [Head(column.head, is_right=True, width=column.width) for column in shown]
        table: list[Sequence[Cell] | None] = []
        section: float | None = None
        for place, row in enumerate(rows):
            if not row.is_control and row.sparsity != section:
                table.append(None)
                section = row.sparsity
            cells = [column.cells[place] for column in shown]
            table.append([names[place], sparsities[place], *cells])
        screen.table(heads, table)


def _print_details(board: Board) -> None:
    """A table a column: other metrics, and the main one for each label."""
    from harness.leaderboard import make_details

    screen = stdout()
    for detail in make_details(board):
        screen.line(board.name_of(detail.column))
        rows = [row for row in board.rows if detail.column in row.scores]
        texts = [detail.texts(row) for row in rows]
        columns = [
            _Shown(head, [cells[place] for cells in texts])
            for place, head in enumerate(detail.heads)
        ]
        if columns:
            _print_side_by_side(screen, rows, [row.name for row in rows], columns)
        for absence in detail.absences:
            screen.line(absence)


def _name(row: Row) -> str:
    return f"{row.name} ({len(row.seeds)} seeds)" if len(row.seeds) > 1 else row.name


def _score_cell(row: Row, column: Column) -> Cell:
    """The score, and under it the difference to dense."""
    from harness.leaderboard import score_parts

    score, difference, star = score_parts(row, column)
    return Beside(score + star, difference) if difference else score


def files_of(board: Board, results: Path) -> list[Path]:
    """Where a results folder has the board, as Markdown and as CSV."""
    folder = results / "leaderboards"
    return [folder / f"{board.name}.md", folder / f"{board.name}.csv"]


def board_json(board: Board) -> dict[str, Any]:
    """A board as plain data."""
    return {
        "name": board.name,
        "title": board.title,
        "rows": [
            {
                "pruner": row.name,
                "sparsity": row.sparsity,
                "achieved": row.achieved,
                "masked": row.masked,
                "seeds": list(row.seeds),
                "kept": row.retained,
                "origin": row.origin,
                "prune_seconds": row.prune_seconds,
                "peak_bytes": row.peak_bytes,
                "windows": list(row.windows),
                "failures": dict(row.failures),
                "remarks": list(row.remarks),
                "scores": [
                    {
                        "task": column.task,
                        "profile": column.profile,
                        "part": column.part,
                        "metric": column.metric,
                        "items": column.items,
                        "source": column.source,
                        "score": score.value,
                        "delta": score.delta,
                        "low": score.low,
                        "high": score.high,
                        "p": score.p,
                        "q": score.q,
                        "metrics": dict(score.metrics),
                        "breakdown": dict(score.breakdown),
                        "absent": dict(score.absent),
                        "seconds": score.seconds,
                    }
                    for column, score in row.scores.items()
                ],
            }
            for row in board.rows
        ],
    }
