"""From records to boards: what may stand beside each other, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from harness.leaderboard.board import CONTROLS, Board, Column, Row, Score
from harness.leaderboard.placing import (
    BoardKey,
    RowKey,
    board_of,
    column_of,
    failed_column,
    may_show,
    open_failures,
    row_of,
)
from harness.record import EvalAsked, EvalRecord, FailureRecord, PruneAsked, PruneRecord
from harness.statistics import benjamini_hochberg, holm

Pruned = Mapping[str, PruneRecord]
"""Key -> record."""


def make_boards(
    prunes: Iterable[PruneRecord], evals: Iterable[EvalRecord], failures: Iterable[FailureRecord]
) -> list[Board]:
    """Sort all records into boards; the order of the records does not matter."""
    pruned = {record.key: record for record in prunes}
    found = sorted(evals, key=lambda record: record.key)
    failed = sorted(open_failures(pruned.values(), found, failures), key=lambda f: f.key)
    by_board: dict[BoardKey, list[EvalRecord]] = {}
    for record in found:
        by_board.setdefault(board_of(record.model, record.asked), []).append(record)
    return [
        _make_board(key, records, is_retrained, pruned, [f for f in failed if may_show(key, f)])
        for key in sorted(by_board)
        for is_retrained, records in _by_training(by_board[key], pruned)
    ]


def _by_training(
    records: Sequence[EvalRecord], pruned: Pruned
) -> list[tuple[bool, list[EvalRecord]]]:
    """One-shot and retrained records apart, each beside the controls."""
    controls = [record for record in records if record.asked.pruned is None]
    kinds: dict[bool, list[EvalRecord]] = {False: [], True: []}
    for record in records:
        if record.asked.pruned is not None:
            prune = pruned.get(record.asked.pruned)
            kinds[prune is not None and prune.asked.is_retrained].append(record)
    filled = [kind for kind, own in kinds.items() if own] or [False]
    return [(kind, [*controls, *kinds[kind]]) for kind in filled]


def _make_board(
    key: BoardKey,
    records: Sequence[EvalRecord],
    is_retrained: bool,  # noqa: FBT001
    pruned: Pruned,
    failures: Sequence[FailureRecord],
) -> Board:
    done: dict[RowKey, list[EvalRecord]] = {}
    failed: dict[RowKey, list[FailureRecord]] = {}
    for record in records:
        asked = _asked(record.asked, pruned)
        done.setdefault(row_of(record.row, record.asked_sparsity, asked), []).append(record)
    for failure in failures:
        asked = _asked(failure.asked, pruned)
        if asked is None or asked.is_retrained == is_retrained:
            row = row_of(failure.row, failure.sparsity, asked)
            failed.setdefault(row, []).append(failure)
    adjusted = _adjusted_p(records)
    columns = {column_of(record) for record in records}
    keys = list({**done, **failed})
    names = [(row.name, row.sparsity) for row in keys]
    rows = []
    for row in keys:
        mark = f" #{row.parts[:6]}" if names.count((row.name, row.sparsity)) > 1 else ""
        found, missed = done.get(row, []), failed.get(row, [])
        rows.append(_make_row(row.name + mark, row.sparsity, found, pruned, adjusted, missed))
    return Board(
        model=key.model,
        digest=key.digest,
        edition=key.edition,
        is_partial=key.is_partial,
        is_retrained=is_retrained,
        held=key.held,
        columns=tuple(sorted(columns, key=lambda c: (c.task, c.profile, c.part, c.source))),
        rows=tuple(_ranked(rows)),
    )


def _asked(asked: PruneAsked | EvalAsked, pruned: Pruned) -> PruneAsked | None:
    """How the model was or should have been pruned; None = the dense one."""
    if isinstance(asked, PruneAsked):
        return asked
    record = pruned.get(asked.pruned or "")
    return record.asked if record else None


def _adjusted_p(records: Sequence[EvalRecord]) -> dict[str, tuple[float, float]]:
    """Record key -> p by Holm and q by Benjamini-Hochberg, over a board's comparisons.

    Blind ones do not count.
    """
    compared = [r for r in records if r.got.comparison is not None and r.row not in CONTROLS]
    values = [r.got.comparison.p for r in compared if r.got.comparison is not None]
    adjusted = zip(holm(values), benjamini_hochberg(values), strict=True)
    return {record.key: pair for record, pair in zip(compared, adjusted, strict=True)}


def _make_row(
    name: str,
    sparsity: float,
    records: Sequence[EvalRecord],
    pruned: Pruned,
    adjusted: Mapping[str, tuple[float, float]],
    failures: Sequence[FailureRecord],
) -> Row:
    by_column: dict[Column, list[EvalRecord]] = {}
    for record in records:
        by_column.setdefault(column_of(record), []).append(record)
    evaluated = [record.asked for record in records]
    evaluated += [f.asked for f in failures if isinstance(f.asked, EvalAsked)]
    keys = {asked.pruned for asked in evaluated if asked.pruned}
    made = {key: pruned[key] for key in sorted(keys) if key in pruned}
    costs = [record.circumstances for record in made.values()]
    peaks = [cost.peak_memory_bytes for cost in costs if cost.peak_memory_bytes is not None]
    achieved = [record.achieved_sparsity for record in records] or [
        record.got.sparsity.model.sparsity for record in made.values()
    ]
    if any(record.got.units and not record.got.is_shrunk for record in made.values()):
        name += " (masked, not shrunk)"
    return Row(
        name=name,
        sparsity=sparsity,
        achieved=fmean(achieved) if achieved else None,
        seeds=tuple(sorted({r.seed for r in records if r.seed is not None})),
        scores={column: _score(found, adjusted) for column, found in by_column.items()},
        failures=_reasons(failures),
        origin=_origin(made.values()),
        retained=None,
        prune_seconds=fmean(sum(c.seconds.values()) for c in costs) if costs else None,
        peak_bytes=max(peaks) if peaks else None,
        windows=tuple(sorted({r.got.window for r in made.values() if r.got.window is not None})),
    )


def _reasons(failures: Sequence[FailureRecord]) -> dict[str, str]:
    reasons: dict[str, list[str]] = {}
    for failure in failures:
        found = reasons.setdefault(failed_column(failure), [])
        if failure.reason not in found:
            found.append(failure.reason)
    return {name: "; ".join(found) for name, found in reasons.items()}


def _score(records: Sequence[EvalRecord], adjusted: Mapping[str, tuple[float, float]]) -> Score:
    values = [record.got.score for record in records]
    comparisons = [r.got.comparison for r in records if r.got.comparison is not None]
    score = Score(
        value=fmean(values),
        spread=stdev(values) if len(values) > 1 else None,
        seconds=fmean(sum(r.circumstances.seconds.values()) for r in records),
        overlap=max(record.got.calibration_overlap for record in records),
        metrics=_means([record.got.metrics for record in records]),
        breakdown=_means([record.got.breakdown for record in records]),
        absent={name: why for r in records for name, why in r.got.absent.items()},
    )
    if not comparisons:
        return score
    flips = [
        (c.worse + c.better) / c.items
        for c in comparisons
        if c.worse is not None and c.better is not None
    ]
    doubts = [adjusted[record.key] for record in records if record.key in adjusted]
    return replace(
        score,
        delta=fmean(c.delta for c in comparisons),
        low=min(c.low for c in comparisons),
        high=max(c.high for c in comparisons),
        p=max(p for p, _ in doubts) if doubts else None,
        q=max(q for _, q in doubts) if doubts else None,
        flips=fmean(flips) if flips else None,
    )


def _means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over seeds, of what all of them have."""
    return {
        name: fmean(value[name] for value in values)
        for name in values[0]
        if all(name in value for value in values)
    }


def _origin(records: Iterable[PruneRecord]) -> str:
    parts = {f"{p.distribution} {p.version}" for record in records for p in record.asked.parts}
    return ", ".join(sorted(parts))


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """Dense and blind first, then by sparsity, then by what is kept of the dense score."""
    controls = sorted((row for row in rows if row.is_control), key=lambda r: CONTROLS.index(r.name))
    dense = next((row for row in controls if row.name == "dense"), None)
    ranked = []
    for sparsity in sorted({row.sparsity for row in rows if not row.is_control}):
        group = [row for row in rows if row.sparsity == sparsity and not row.is_control]
        scored = [row.scores for row in group if row.scores] or [{}]
        shared = [c for c in scored[0] if all(c in scores for scores in scored)]
        group = [replace(row, retained=_retained(row, dense, shared)) for row in group]
        # Rows that miss the sparsity stand after those that meet it, without a rank.
        ranked += sorted(group, key=lambda r: (not r.meets_sparsity, -(r.retained or 0.0), r.name))
    return [*controls, *ranked]


def _retained(row: Row, dense: Row | None, columns: Sequence[Column]) -> float | None:
    shares = []
    for column in columns if row.scores else ():
        if dense is None or column not in dense.scores:
            return None
        ours, theirs = row.scores[column].value, dense.scores[column].value
        top, bottom = (ours, theirs) if column.higher_is_better else (theirs, ours)
        shares.append(top / bottom if bottom and math.isfinite(bottom) else 0.0)
    return fmean(shares) if shares and row.meets_sparsity else None
