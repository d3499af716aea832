"""Tables on stdout, or JSON where asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.cli import streams
from harness.cli.border import shows_traceback
from harness.told import one_line_of

if TYPE_CHECKING:
    from harness.audit import BatchAudit
    from harness.leaderboard import Board, Column, Row
    from harness.pipeline import Outcome
    from harness.plugin.manager import Plugins
    from harness.record import PruneRecord

NAME_WIDTH = 40
#: Padding and line of a table's column.
BORDER = 3


def stdout() -> Console:
    """Tables and lines of the command's own."""
    return Console(file=streams.stdout(), highlight=False)


def stderr() -> Console:
    """What is beside: failures, and what was set aside."""
    return Console(stderr=True, highlight=False)


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """What a run did, then the boards of its model."""
    if as_json:
        content = {
            "filed": outcome.filed,
            "skipped": outcome.skipped,
            "planned": outcome.planned,
            "failures": outcome.failures,
            "absent": outcome.absent,
            "boards": [board_json(board) for board in outcome.boards],
        }
        print_json(content)
    else:
        _print_done(outcome)
    _print_beside(outcome)


def _print_done(outcome: Outcome) -> None:
    for board in outcome.boards:
        print_board(board)
    console = stdout()
    for label in outcome.planned:
        console.print(f"would run: {label}", markup=False, soft_wrap=True)
    done = f"{outcome.filed} cells evaluated, {outcome.skipped} filed before"
    console.print(
        f"{len(outcome.planned)} to run, {outcome.skipped} filed before"
        if outcome.planned
        else done
    )


def _print_beside(outcome: Outcome) -> None:
    """What failed and what was left out, on stderr."""
    console = stderr()
    for failure, traceback in zip(outcome.failures, outcome.tracebacks, strict=True):
        console.print(one_line_of(f"failed: {failure}"), markup=False, soft_wrap=True)
        if shows_traceback():
            console.print(traceback, markup=False, soft_wrap=True)
    if outcome.failures and not shows_traceback():
        console.print("--traceback shows where, and so do the records of what failed")
    for reason in outcome.absent:
        console.print(one_line_of(f"absent: {reason}"), markup=False, soft_wrap=True)


def print_boards(boards: Sequence[Board], *, as_json: bool) -> None:
    if as_json:
        print_json([board_json(board) for board in boards])
        return
    for board in boards:
        print_board(board)


def print_board(board: Board) -> None:
    """A board as a Rich table."""
    table = Table(title=board.title, title_justify="left", caption_justify="left")
    table.caption = "; ".join(map(board.description, board.columns))
    table.add_column("pruner", max_width=NAME_WIDTH)
    table.add_column("sparsity", no_wrap=True)
    for column in board.columns:
        table.add_column(board.head(column), justify="right")
    for head in ("kept", "prune", "peak"):
        table.add_column(head, justify="right", no_wrap=True)
    section: float | None = None
    for row in board.rows:
        if not row.is_control and row.sparsity != section:
            table.add_section()
            section = row.sparsity
        table.add_row(*_row_cells(row, board.columns))
    stdout().print(table)
    for row in board.rows:
        for remark in row.remarks:
            stdout().print(f"{row.name}: {remark}", markup=False, soft_wrap=True)
    _print_details(board)


def _print_details(board: Board) -> None:
    """A table a column: other metrics, and the main one for each label."""
    from harness.leaderboard import make_details

    console = stdout()
    for detail in make_details(board):
        console.print(board.name_of(detail.column), markup=False, soft_wrap=True)
        rows = [row for row in board.rows if detail.column in row.scores]
        texts = [detail.texts(row) for row in rows]
        widths = [max(map(len, cells)) for cells in zip(detail.heads, *texts, strict=True)]
        names = min(NAME_WIDTH, max(len(row.name) for row in rows))
        for part in fitting(widths, console.width - names - len("sparsity") - 2 * BORDER):
            table = Table()
            table.add_column("pruner", max_width=NAME_WIDTH)
            table.add_column("sparsity", no_wrap=True)
            for head in detail.heads[part]:
                table.add_column(head, justify="right", no_wrap=True)
            for row, cells in zip(rows, texts, strict=True):
                table.add_row(escape(row.name), row.sparsity_text, *cells[part])
            console.print(table)
        for absence in detail.absences:
            console.print(absence, markup=False, soft_wrap=True)


def fitting(widths: Sequence[int], room: int) -> list[slice]:
    """Cut columns of these widths into tables that are at most so wide, or one column each."""
    parts: list[slice] = []
    used = room
    for place, width in enumerate(widths):
        if used + width + BORDER > room:
            parts.append(slice(place, place))
            used = 0
        parts[-1] = slice(parts[-1].start, place + 1)
        used += width + BORDER
    return parts


def _row_cells(row: Row, columns: Sequence[Column]) -> list[str]:
    seeds = f" ({len(row.seeds)} seeds)" if len(row.seeds) > 1 else ""
    peak = f"{row.peak_bytes / 2**20:.0f} MiB" if row.peak_bytes is not None else ""
    return [
        escape(f"{row.name}{seeds}"),
        row.sparsity_text,
        *(_score_cell(row, column) for column in columns),
        "" if row.retained is None else f"{100 * row.retained:.1f} %",
        "" if row.prune_seconds is None else f"{row.prune_seconds:.1f} s",
        peak,
    ]


def _score_cell(row: Row, column: Column) -> str:
    """The score, and under it the difference to dense."""
    from harness.leaderboard import score_parts

    score, difference, star = score_parts(row, column)
    return f"{score}{star}\n[dim]{escape(difference)}[/dim]" if difference else score


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


def print_pruned(record: PruneRecord, folder: Path, *, as_json: bool) -> None:
    """How sparse the saved model is, per tower."""
    report = record.got.sparsity
    groups = [*report.towers, report.model]
    if as_json:
        content = {g.name: {**g.model_dump(), "sparsity": g.sparsity} for g in groups}
        print_json({"folder": str(folder), "record": record.key, "sparsity": content})
        return
    table = Table(title=f"{record.pruner} on {record.model}, saved in {folder}")
    for head in ("weights", "count", "masked", "not zero", "sparsity"):
        table.add_column(head, justify="left" if head == "weights" else "right")
    for group in groups:
        counts = (group.numel, group.numel - group.keep, group.nonzero)
        table.add_row(group.name, *(f"{count:,}" for count in counts), f"{group.sparsity:.4f}")
    stdout().print(table)


def print_tasks(found: Plugins, *, as_json: bool) -> None:
    """Tasks with metric, default profile and where the data comes from."""
    from harness.plugin import TaskTags
    from harness.plugin.needs import names_of

    rows = []
    for provider in found.tasks:
        wanted = TaskTags.of(provider.given).argument
        task = provider.given(*filter(None, [wanted and "NAME"]))
        names = list(dict.fromkeys(profile.name for profile in task.profiles))
        needs = list(dict.fromkeys(map(names_of, task.profiles)))
        rows.append(
            (
                f"{task.name}:NAME" if wanted else task.name,
                task.metric.name,
                ", ".join(needs),
                ", ".join(names),
                task.manifest.instructions(),
            )
        )
    if as_json:
        keys = ("name", "metric", "needs", "profiles", "data")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    table = Table("task", "metric", "needs", "profiles", "full data")
    for row in rows:
        table.add_row(*row)
    stdout().print(table)


def print_audits(audits: Sequence[BatchAudit], *, as_json: bool) -> None:
    """Scores per batch size, and which items are answered otherwise than at the first."""
    if as_json:
        print_json([dataclasses.asdict(audit) for audit in audits])
        return
    table = Table("task", "batch size", "score", "different answers", "first of them")
    for audit in audits:
        table.add_row(
            f"{audit.task}/{audit.profile}",
            str(audit.batch_size),
            "–" if audit.score is None else f"{audit.score:.4g}",
            f"{len(audit.different)} of {audit.items}",
            escape(", ".join(audit.different[:3])),
        )
    stdout().print(table)


def print_json(content: Any) -> None:
    """Strict JSON: infinities become words, as in records."""
    streams.say(to_json(content, indent=1, inf_nan_mode="strings").decode())
