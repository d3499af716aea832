"""From records to boards: what may stand beside each other, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from harness.leaderboard.board import CONTROLS, Board, Column, Row, Score
from harness.record import EvalRecord, FailureRecord, PruneRecord, hash_of
from harness.statistics import benjamini_hochberg, holm


def make_boards(
    prunes: Iterable[PruneRecord], evals: Iterable[EvalRecord], failures: Iterable[FailureRecord]
) -> list[Board]:
    """Sort all records into boards; the order of the records does not matter."""
    pruned = {record.key: record for record in prunes}
    by_board: dict[tuple[str, str, str, bool, str], list[EvalRecord]] = {}
    for record in sorted(evals, key=lambda record: record.key):
        data = record.asked.data
        key = (
            record.model,
            hash_of(dict(record.asked.model)),
            data.edition,
            bool(data.part),
            _held(record),
        )
        by_board.setdefault(key, []).append(record)
    failed = list(failures)
    return [
        _make_board(key, records, is_retrained, pruned, failed)
        for key in sorted(by_board)
        for is_retrained, records in _by_training(by_board[key], pruned)
    ]


def _by_training(
    records: Sequence[EvalRecord], pruned: Mapping[str, PruneRecord]
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


def _held(record: EvalRecord) -> str:
    held = record.asked.held
    batch = "" if record.asked.batch_size == 32 else f" batch {record.asked.batch_size}"
    return f"{held.device} {held.dtype}{batch}"


def _make_board(
    key: tuple[str, str, str, bool, str],
    records: Sequence[EvalRecord],
    is_retrained: bool,  # noqa: FBT001
    pruned: Mapping[str, PruneRecord],
    failures: Sequence[FailureRecord],
) -> Board:
    model, digest, edition, is_partial, held = key
    groups: dict[tuple[str, float, str], list[EvalRecord]] = {}
    for record in records:
        parts = _parts_digest(record, pruned)
        groups.setdefault((record.row, record.asked_sparsity, parts), []).append(record)
    adjusted = _adjusted_p(records)
    columns = sorted({_column(record) for record in records}, key=lambda c: (c.task, c.profile))
    names = [(name, sparsity) for name, sparsity, _ in groups]
    rows = []
    for (name, sparsity, parts), found in groups.items():
        shown = f"{name} #{parts[:6]}" if names.count((name, sparsity)) > 1 else name
        mine = [
            f
            for f in failures
            if (f.model, f.row, f.sparsity) == (model, name, sparsity)
            and hash_of(dict(f.asked.model)) == digest
        ]
        rows.append(_make_row(shown, sparsity, found, pruned, adjusted, mine))
    return Board(
        model=model,
        digest=digest,
        edition=edition,
        is_partial=is_partial,
        is_retrained=is_retrained,
        held=held,
        columns=tuple(columns),
        rows=tuple(_ranked(rows)),
    )


def _parts_digest(record: EvalRecord, pruned: Mapping[str, PruneRecord]) -> str:
    prune = pruned.get(record.asked.pruned or "")
    if prune is None:
        return ""
    parts = [part.model_dump(mode="json") for part in prune.asked.parts]
    calibration = prune.asked.calibration
    source = [calibration.source, calibration.samples] if calibration else []
    return hash_of([parts, source])


def _column(record: EvalRecord) -> Column:
    asked, got = record.asked, record.got
    profile = asked.profile
    source = [asked.data.digest, asked.task.source, profile.model_dump(mode="json")]
    return Column(
        task=record.task,
        profile=f"{profile.label} v{profile.version}",
        part=asked.data.part,
        metric=got.metric,
        unit=got.unit,
        higher_is_better=got.higher_is_better,
        items=asked.data.items,
        source=hash_of(source)[:6],
    )


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
    pruned: Mapping[str, PruneRecord],
    adjusted: Mapping[str, tuple[float, float]],
    failures: Sequence[FailureRecord],
) -> Row:
    by_column: dict[Column, list[EvalRecord]] = {}
    for record in records:
        by_column.setdefault(_column(record), []).append(record)
    made = {
        record.key: record
        for record in (pruned.get(r.asked.pruned or "") for r in records)
        if record is not None
    }
    costs = [record.circumstances for record in made.values()]
    peaks = [cost.peak_memory_bytes for cost in costs if cost.peak_memory_bytes is not None]
    done = {record.task for record in records}
    if any(record.got.units and not record.got.is_shrunk for record in made.values()):
        name += " (masked, not shrunk)"
    return Row(
        name=name,
        sparsity=sparsity,
        achieved=fmean(record.achieved_sparsity for record in records),
        seeds=tuple(sorted({r.seed for r in records if r.seed is not None})),
        scores={column: _score(found, adjusted) for column, found in by_column.items()},
        failures={f.task or "": f.reason for f in failures if f.task not in done},
        origin=_origin(made.values()),
        retained=None,
        prune_seconds=fmean(sum(c.seconds.values()) for c in costs) if costs else None,
        peak_bytes=max(peaks) if peaks else None,
    )


def _score(records: Sequence[EvalRecord], adjusted: Mapping[str, tuple[float, float]]) -> Score:
    values = [record.got.score for record in records]
    comparisons = [r.got.comparison for r in records if r.got.comparison is not None]
    score = Score(
        value=fmean(values),
        spread=stdev(values) if len(values) > 1 else None,
        seconds=fmean(sum(r.circumstances.seconds.values()) for r in records),
        overlap=max(record.got.calibration_overlap for record in records),
        breakdown={
            label: fmean(record.got.breakdown[label] for record in records)
            for label in records[0].got.breakdown
        },
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
        shared = [c for c in group[0].scores if all(c in row.scores for row in group)]
        group = [replace(row, retained=_retained(row, dense, shared)) for row in group]
        # Rows that miss the sparsity stand after those that meet it, without a rank.
        ranked += sorted(group, key=lambda r: (not r.meets_sparsity, -(r.retained or 0.0), r.name))
    return [*controls, *ranked]


def _retained(row: Row, dense: Row | None, columns: Sequence[Column]) -> float | None:
    shares = []
    for column in columns:
        if dense is None or column not in dense.scores:
            return None
        ours, theirs = row.scores[column].value, dense.scores[column].value
        top, bottom = (ours, theirs) if column.higher_is_better else (theirs, ours)
        shares.append(top / bottom if bottom and math.isfinite(bottom) else 0.0)
    return fmean(shares) if shares and row.meets_sparsity else None
