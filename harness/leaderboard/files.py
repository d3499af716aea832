"""Boards as Markdown and CSV; no time stamp, so equal records give equal bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from harness.leaderboard.board import Board, Column, Row
from harness.leaderboard.sweeps import make_sweeps

SIGNIFICANT = 0.05
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
        f"# {board.title}",
        "",
        f"Model digest `{board.digest[:12]}`, held as {board.held}.",
        "",
        *(f"- {board.description(column)}" for column in board.columns),
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(_cells(row, board.columns)) + " |" for row in board.rows),
        "",
        LEGEND,
    ]
    lines += _breakdown(board)
    lines += _sweeps(board)
    notes = [f"- {row.name} {row.sparsity:g}: {n}" for row in board.rows for n in _notes(row)]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _breakdown(board: Board) -> list[str]:
    """A table of every task's labels: pruning hits some answers first."""
    labels = [
        (column, label)
        for column in board.columns
        for label in sorted(
            {x for row in board.rows if column in row.scores for x in row.scores[column].breakdown}
        )
    ]
    if not labels:
        return []
    heads = ["pruner", "sparsity", *(f"{column.name}: {label}" for column, label in labels)]
    lines = ["", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in board.rows:
        cells = [row.name, row.sparsity_text]
        for column, label in labels:
            found = row.scores[column].breakdown.get(label) if column in row.scores else None
            cells.append("-" if found is None else number(found, column))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _sweeps(board: Board) -> list[str]:
    """A table of the mean scores over several sparsities."""
    sweeps = make_sweeps(board)
    if not sweeps:
        return []
    heads = ["pruner, mean over a sweep", "sparsities", *map(board.head, board.columns)]
    lines = ["", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for sweep in sweeps:
        means = [
            number(sweep.means[column], column) if column in sweep.means else "-"
            for column in board.columns
        ]
        at = " ".join(f"{sparsity:g}" for sparsity in sweep.sparsities)
        lines.append("| " + " | ".join([sweep.name, at, *means]) + " |")
    return lines


def _notes(row: Row) -> list[str]:
    notes = [f"✗ {name or 'pruning'} failed: {why}" for name, why in row.failures.items()]
    notes += [
        f"{score.overlap} items of {column.task} show what it was calibrated on"
        for column, score in row.scores.items()
        if score.overlap
    ]
    if not row.is_control and row.achieved is not None and not row.meets_sparsity:
        notes.append(f"asked {row.sparsity:g}, achieved {row.achieved:.4f}: not ranked")
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


def score_text(row: Row, column: Column) -> str:
    """``81.2 (−3.1 [−4.0, −2.2])*``; ``-`` = not run, ``✗`` = failed."""
    score, difference, star = score_parts(row, column)
    return f"{score} ({difference}){star}" if difference else score


def score_parts(row: Row, column: Column) -> tuple[str, str, str]:
    """Score, difference to dense with its interval, and a star where it is significant."""
    score = row.scores.get(column)
    if score is None:
        failed = column.name in row.failures or "" in row.failures
        return "✗" if failed else "-", "", ""
    text = number(score.value, column)
    if score.spread is not None:
        text += f" ± {number(score.spread, column)}"
    if score.delta is None or score.low is None or score.high is None:
        return text, "", ""
    star = "*" if score.p is not None and score.p < SIGNIFICANT else ""
    low, high = number(score.low, column), number(score.high, column)
    return text, f"{number(score.delta, column, sign=True)} [{low}, {high}]", star


def number(value: float, column: Column, *, sign: bool = False) -> str:
    """Percentages with one digit, other scores with three significant ones below 10."""
    digits = 1 if column.unit == "%" or abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def to_csv(board: Board) -> str:
    """One line per row and column, numbers in full."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        "model digest edition partial held pruner sparsity achieved seeds task profile part metric "
        "items score spread delta low high p q flips kept prune_seconds eval_seconds peak_bytes "
        "origin".split()
    )
    for row in board.rows:
        for column, score in sorted(row.scores.items(), key=lambda pair: pair[0].name):
            cells = [
                board.model, board.digest, board.edition, board.is_partial, board.held,
                row.name, row.sparsity, row.achieved, " ".join(map(str, row.seeds)),
                column.task, column.profile, column.part, column.metric, column.items,
                score.value, score.spread, score.delta, score.low, score.high, score.p, score.q,
                score.flips, row.retained, row.prune_seconds, score.seconds, row.peak_bytes,
                row.origin,
            ]  # fmt: skip
            writer.writerow(["" if cell is None else cell for cell in cells])
    return buffer.getvalue()
