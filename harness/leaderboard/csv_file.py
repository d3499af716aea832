"""Boards as CSV: one line a number, in full."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from harness.escape.spreadsheet import cell
from harness.leaderboard.board import Board, Column, Row, Score

BOARD = "model digest edition partial held"
ROW = "pruner sparsity achieved masked seeds"
COLUMN = "task profile part source items"
NUMBER = "metric label main score"
DOUBT = "spread delta low high p q flips absent"
COST = "kept prune_seconds eval_seconds peak_bytes origin"


def to_csv(board: Board) -> str:
    """A row's main score on a column (``main`` is True), then its other metrics and its labels'."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(f"{BOARD} {ROW} {COLUMN} {NUMBER} {DOUBT} {COST}".split())
    about = [board.model, board.digest, board.edition, board.is_partial, board.held]
    for row in board.rows:
        for column, score in sorted(row.scores.items(), key=lambda pair: pair[0].name):
            for values in _lines(row, column, score):
                writer.writerow([cell(value) for value in [*about, *values]])
    return buffer.getvalue()


def _lines(row: Row, column: Column, score: Score) -> Iterator[list[object]]:
    place = [
        *(row.name, row.sparsity, row.achieved, row.masked, " ".join(map(str, row.seeds))),
        *(column.task, column.profile, column.part, column.source, column.items),
    ]
    doubt = [score.spread, score.delta, score.low, score.high, score.p, score.q, score.flips]
    cost = [row.retained, row.prune_seconds, score.seconds, row.peak_bytes, row.origin]
    undefined = score.absent.get(column.metric)
    yield [*place, column.metric, "", True, score.value, *doubt, undefined, *cost]
    numbers = [(name, "", value, None) for name, value in score.metrics.items()]
    numbers += [(column.metric, label, value, None) for label, value in score.breakdown.items()]
    absent = [(n, "", None, why) for n, why in score.absent.items() if n != column.metric]
    for metric, label, value, why in [*numbers, *absent]:
        yield [*place, metric, label, False, value, *[None] * len(doubt), why, *[None] * len(cost)]
