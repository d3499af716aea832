"""Boards as Markdown pages; no time stamp, so equal records give equal bytes."""

from __future__ import annotations

from collections.abc import Sequence

from harness.escape import markdown
from harness.leaderboard.board import Board, Column, Row
from harness.leaderboard.cells import number, score_text
from harness.leaderboard.details import make_details
from harness.leaderboard.sweeps import make_sweeps

LEGEND = (
    "Scores stand with the difference to dense and its paired 95 % interval, clustered by image; "
    "± is the standard deviation over seeds. A star marks p < 0.05 after Holm's adjustment over "
    "the board. `kept` is the mean share of the dense score. Unstructured zeros are simulated: no "
    "speed-up is expected from them."
)


def to_markdown(board: Board) -> str:
    """The board as a Markdown page; no time stamp, so equal records give equal bytes."""
    heads = [
        "pruner",
        "sparsity",
        *map(board.head, board.columns),
        "kept",
        "prune",
        "peak",
        "from",
    ]
    lines = [
        f"# {markdown.inline(board.title)}",
        "",
        f"Model digest `{board.digest[:12]}`, held as {markdown.inline(board.held)}.",
        "",
        *(f"- {markdown.beginning(board.description(column))}" for column in board.columns),
        "",
        *markdown.head(heads),
        *(markdown.row(_cells(row, board.columns)) for row in board.rows),
        "",
        LEGEND,
    ]
    lines += _details(board)
    lines += _sweeps(board)
    notes = [f"{row.name} {row.sparsity:g}: {note}" for row in board.rows for note in _notes(row)]
    listed = [f"- {markdown.beginning(note)}" for note in notes]
    return "\n".join([*lines, *(["", *listed] if listed else [])]) + "\n"


def _details(board: Board) -> list[str]:
    """A table a column: other metrics, and every label, since pruning hits some answers first."""
    lines = []
    for detail in make_details(board):
        name = board.name_of(detail.column)
        heads = [f"{name}: pruner", "sparsity", *detail.heads]
        lines += ["", *markdown.head(heads)]
        for row in board.rows:
            if detail.column in row.scores:
                cells = [row.name, row.sparsity_text, *detail.texts(row)]
                lines.append(markdown.row(cells))
        for why in detail.absences:
            lines += ["", markdown.beginning(f"{name}: {why}")]
    return lines


def _sweeps(board: Board) -> list[str]:
    """A table of the mean scores over several sparsities."""
    sweeps = make_sweeps(board)
    if not sweeps:
        return []
    heads = ["pruner, mean over a sweep", "sparsities", *map(board.head, board.columns)]
    lines = ["", *markdown.head(heads)]
    for sweep in sweeps:
        means = [
            number(sweep.means[column], column) if column in sweep.means else "-"
            for column in board.columns
        ]
        at = " ".join(f"{sparsity:g}" for sparsity in sweep.sparsities)
        lines.append(markdown.row([sweep.name, at, *means]))
    return lines


def _notes(row: Row) -> list[str]:
    notes = [f"✗ {name or 'pruning'} failed: {why}" for name, why in row.failures.items()]
    notes += [
        f"{score.overlap} items of {column.task} show what it was calibrated on"
        for column, score in row.scores.items()
        if score.overlap
    ]
    notes += row.remarks
    if row.windows:
        notes.append(f"calibrated on windows of {' and '.join(map(str, row.windows))} tokens")
    if not row.is_control and row.achieved is not None and not row.meets_sparsity:
        notes.append(f"asked {row.sparsity:g}, achieved {row.achieved:.4f}: not ranked")
    if row.has_other_zeros:
        notes.append(
            f"{row.achieved:.4f} of its weights are zero, {row.masked:.4f} were masked: "
            f"the dense model had zeros before"
        )
    return notes


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    seeds = f" ({len(row.seeds)} seeds)" if len(row.seeds) > 1 else ""
    return [
        f"{row.name}{seeds}",
        row.sparsity_text,
        *(score_text(row, column) for column in columns),
        "" if row.retained is None else f"{100 * row.retained:.1f} %",
        "" if row.prune_seconds is None else f"{row.prune_seconds:.1f} s",
        "" if row.peak_bytes is None else f"{row.peak_bytes / 2**20:.0f} MiB",
        row.origin,
    ]
