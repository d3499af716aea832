"""What commands say of what they did: for people, or as JSON where asked."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import streams
from harness.cli.boards import board_json, files_of, print_board
from harness.cli.border import shows_traceback
from harness.cli.options import RESULTS
from harness.cli.screen import Head, stderr, stdout
from harness.told import one_line_of

if TYPE_CHECKING:
    from harness.audit import BatchAudit
    from harness.leaderboard import Board
    from harness.pipeline import Outcome
    from harness.record import PruneRecord


def print_outcome(outcome: Outcome, results: Path, *, as_json: bool) -> None:
    """What a run did with the boards of its model, where these are, and what to do next."""
    if as_json:
        content = {
            "filed": outcome.filed,
            "skipped": outcome.skipped,
            "planned": outcome.planned,
            "failures": outcome.failures,
            "absent": outcome.absent,
            "damaged": outcome.notes,
            "boards": [board_json(board) for board in outcome.boards],
        }
        print_json(content)
    else:
        _print_done(outcome)
    _print_beside(outcome)
    if not as_json:
        _print_ways_on(outcome, results)


def _print_done(outcome: Outcome) -> None:
    for board in outcome.boards:
        print_board(board)
    screen = stdout()
    for label in outcome.planned:
        screen.line(f"would run: {label}")
    done = f"{outcome.filed} cells evaluated, {outcome.skipped} filed before"
    planned = f"{len(outcome.planned)} to run, {outcome.skipped} filed before"
    screen.line(planned if outcome.planned else done)


def _print_beside(outcome: Outcome) -> None:
    """What failed and what was left out, on stderr."""
    screen = stderr()
    for failure, traceback in zip(outcome.failures, outcome.tracebacks, strict=True):
        screen.line(one_line_of(f"failed: {failure}"))
        if shows_traceback():
            screen.lines(traceback)
    if outcome.failures and not shows_traceback():
        screen.line("--traceback shows where, and so do the records of what failed")
    for reason in outcome.absent:
        screen.line(one_line_of(f"absent: {reason}"))
    print_damaged(outcome.notes)


def print_damaged(notes: Iterable[str]) -> None:
    """Files of a results folder that are not what was written, on stderr."""
    screen = stderr()
    for note in notes:
        screen.line(f"damaged: {note}")


def _print_ways_on(outcome: Outcome, results: Path) -> None:
    """The boards' files, and what to type next."""
    print_files(outcome.boards, results)
    screen = stdout()
    if outcome.planned:
        screen.line("next: the same command without --dry-run")
    elif outcome.failures:
        screen.line("next: the same command again runs what failed, and only that")
    elif outcome.boards:
        screen.line(f"next: {_command('leaderboard', results)}")


def _command(name: str, results: Path, *words: str) -> str:
    """A command as one types it."""
    beside = () if results == RESULTS else ("--results", str(results))
    return shlex.join(["harness", name, *words, *beside])


def print_files(boards: Sequence[Board], results: Path) -> None:
    """Where each board is."""
    for board in boards:
        for path in files_of(board, results):
            stdout().line(f"board: {path}")


def print_boards(boards: Sequence[Board], results: Path, *, as_json: bool) -> None:
    """All boards of a results folder, and where they are."""
    if as_json:
        print_json([board_json(board) for board in boards])
        return
    for board in boards:
        print_board(board)
    print_files(boards, results)


def print_pruned(record: PruneRecord, folder: Path, results: Path, *, as_json: bool) -> None:
    """How sparse the saved model is, per tower."""
    report = record.got.sparsity
    groups = [*report.towers, report.model]
    if as_json:
        content = {g.name: {**g.model_dump(), "sparsity": g.sparsity} for g in groups}
        print_json({"folder": str(folder), "record": record.key, "sparsity": content})
        return
    heads = ("count", "masked", "not zero", "sparsity")
    rows = []
    for group in groups:
        counts = (group.numel, group.numel - group.keep, group.nonzero)
        rows.append((group.name, *(f"{count:,}" for count in counts), f"{group.sparsity:.4f}"))
    screen = stdout()
    screen.paragraph(f"{record.pruner} on {record.model}, saved in {folder}")
    screen.table(["weights", *(Head(head, is_right=True, is_whole=True) for head in heads)], rows)
    screen.line(f"next: {_command('eval', results, '--model', str(folder), '--tasks', 'TASK')}")


def print_audits(audits: Sequence[BatchAudit], *, as_json: bool) -> None:
    """Scores per batch size, and which items are answered otherwise than at the first."""
    if as_json:
        print_json([dataclasses.asdict(audit) for audit in audits])
        return
    rows = [
        (
            f"{audit.task}/{audit.profile}",
            str(audit.batch_size),
            "–" if audit.score is None else f"{audit.score:.4g}",
            f"{len(audit.different)} of {audit.items}",
            ", ".join(audit.different[:3]),
        )
        for audit in audits
    ]
    heads = ("task", "batch size", "score", "different answers", "first of them")
    stdout().table(heads, rows)


def print_json(content: Any) -> None:
    """Strict JSON: infinities become words, as in records."""
    from pydantic_core import to_jsonable_python

    plain = _without_infinities(to_jsonable_python(content))
    streams.say_json(json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False))


def _without_infinities(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_infinities(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_infinities(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
