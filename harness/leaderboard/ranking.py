"""From records to boards: what may stand beside each other, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from harness.asked import EvalAsked, PruneAsked
from harness.leaderboard.board import CONTROLS, Board, Column, Row, Score
from harness.leaderboard.comparing import Comparison
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
from harness.record import EvalRecord, FailureRecord, PruneRecord
from harness.statistics import benjamini_hochberg, holm

Pruned = Mapping[str, PruneRecord]
"""Key -> record."""
Comparisons = Mapping[str, Comparison]
"""Key of an evaluation -> its comparison with dense."""
NOT_COMPARED = Comparison()


def make_boards(
    prunes: Iterable[PruneRecord],
    evals: Iterable[EvalRecord],
    failures: Iterable[FailureRecord],
    comparisons: Comparisons,
) -> list[Board]:
    """Sort all records into boards; the order of the records does not matter."""
    pruned = {record.key: record for record in prunes}
    found = sorted(evals, key=lambda record: record.key)
    failed = sorted(open_failures(pruned.values(), found, failures), key=lambda f: f.key)
    by_board: dict[BoardKey, list[EvalRecord]] = {}
    for record in found:
        by_board.setdefault(board_of(record.model, record.asked), []).append(record)
    return [
        _make_board(
            key,
            records,
            is_retrained,
            pruned,
            [f for f in failed if may_show(key, f)],
            comparisons,
        )
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
    comparisons: Comparisons,
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
    doubts = _doubts(records, comparisons)
    columns = {column_of(record) for record in records}
    keys = list({**done, **failed})
    names = [(row.name, row.sparsity) for row in keys]
    rows = []
    for row in keys:
        mark = f" #{row.parts[:6]}" if names.count((row.name, row.sparsity)) > 1 else ""
        found, missed = done.get(row, []), failed.get(row, [])
        rows.append(_make_row(row.name + mark, row.sparsity, found, pruned, doubts, missed))
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


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A comparison with its p by Holm and its q by Benjamini-Hochberg over the board."""

    comparison: Comparison
    p: float | None = None
    q: float | None = None


def _doubts(records: Sequence[EvalRecord], comparisons: Comparisons) -> dict[str, _Doubt]:
    """Record key -> its comparison; controls' have no p and do not count for the others'."""
    found = {r.key: comparisons.get(r.key, NOT_COMPARED) for r in records}
    tested = {r.key: found[r.key].p for r in records if r.row not in CONTROLS}
    values = {key: p for key, p in tested.items() if p is not None}
    every = list(values.values())
    adjusted = zip(values, holm(every), benjamini_hochberg(every), strict=True)
    doubts = {key: _Doubt(found[key], p, q) for key, p, q in adjusted}
    return {key: _Doubt(comparison) for key, comparison in found.items()} | doubts


def _make_row(
    name: str,
    sparsity: float,
    records: Sequence[EvalRecord],
    pruned: Pruned,
    doubts: Mapping[str, _Doubt],
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
    if any(record.got.is_permuted for record in made.values()):
        name += " (inputs permuted)"
    return Row(
        name=name,
        sparsity=sparsity,
        achieved=fmean(achieved) if achieved else None,
        masked=fmean(r.got.sparsity.model.masked for r in made.values()) if made else None,
        seeds=tuple(sorted({r.seed for r in records if r.seed is not None})),
        scores={column: _score(found, doubts) for column, found in by_column.items()},
        failures=_reasons(failures),
        origin=_origin(list(made.values())),
        retained=None,
        prune_seconds=fmean(sum(c.seconds.values()) for c in costs) if costs else None,
        peak_bytes=max(peaks) if peaks else None,
        remarks=_remarks(made.values()),
        windows=tuple(sorted({r.got.window for r in made.values() if r.got.window is not None})),
    )


def _remarks(made: Iterable[PruneRecord]) -> tuple[str, ...]:
    said = (remark for record in made for remark in (record.asked.unused_budget, _window(record)))
    return tuple(dict.fromkeys(remark for remark in said if remark))


def _window(record: PruneRecord) -> str:
    window = record.got.window
    return "" if window is None else f"calibrated on windows of {window} tokens"


def _reasons(failures: Sequence[FailureRecord]) -> dict[str, str]:
    reasons: dict[str, list[str]] = {}
    for failure in failures:
        found = reasons.setdefault(failed_column(failure), [])
        if failure.reason not in found:
            found.append(failure.reason)
    return {name: "; ".join(found) for name, found in reasons.items()}


def _score(records: Sequence[EvalRecord], doubts: Mapping[str, _Doubt]) -> Score:
    """Over all seeds; a number that one of them lacks is absent."""
    own = [doubts[record.key] for record in records]
    compared = [doubt.comparison for doubt in own]
    values = _all(record.got.score for record in records)
    return Score(
        value=_mean(values),
        spread=stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else None,
        delta=_mean(_all(c.delta for c in compared)),
        low=min(_all(c.low for c in compared), default=None),
        high=max(_all(c.high for c in compared), default=None),
        p=max(_all(doubt.p for doubt in own), default=None),
        q=max(_all(doubt.q for doubt in own), default=None),
        flips=_mean(_all(c.flips for c in compared)),
        seconds=fmean(sum(r.circumstances.seconds.values()) for r in records),
        overlap=max(record.got.calibration_overlap for record in records),
        metrics=_means([record.got.metrics for record in records]),
        breakdown=_means([record.got.breakdown for record in records]),
        absent=_absent(records, compared),
    )


def _all(values: Iterable[float | None]) -> list[float]:
    """All of them, or none if one is missing."""
    found = list(values)
    given = [value for value in found if value is not None]
    return given if len(given) == len(found) else []


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _absent(records: Sequence[EvalRecord], comparisons: Sequence[Comparison]) -> dict[str, str]:
    """What is missing -> why; with the seeds, where others have it."""
    seeds: dict[tuple[str, str], list[int | None]] = {}
    for record, comparison in zip(records, comparisons, strict=True):
        for reason in {**record.got.absent, **comparison.absent}.items():
            seeds.setdefault(reason, []).append(record.seed)
    absent: dict[str, list[str]] = {}
    for (name, why), found in seeds.items():
        some = "" if len(found) == len(records) else f" (seed {', '.join(map(str, found))})"
        absent.setdefault(name, []).append(why + some)
    return {name: "; ".join(whys) for name, whys in absent.items()}


def _means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over seeds, of what all of them have."""
    return {
        name: fmean(value[name] for value in values)
        for name in values[0]
        if all(name in value for value in values)
    }


def _origin(records: Sequence[PruneRecord]) -> str:
    """Distributions of a row's parts; older records do not tell what else computed them."""
    parts = {f"{p.distribution} {p.version}" for record in records for p in record.asked.parts}
    unknown = any(not record.asked.code for record in records)
    return ", ".join(sorted(parts)) + (" (unknown source)" if unknown else "")


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """Dense and blind first, then by sparsity, then by what is kept of the dense score."""
    controls = sorted((row for row in rows if row.is_control), key=lambda r: CONTROLS.index(r.name))
    dense = next((row.scores for row in controls if row.name == "dense"), {})
    ranked = []
    for sparsity in sorted({row.sparsity for row in rows if not row.is_control}):
        group = [row for row in rows if row.sparsity == sparsity and not row.is_control]
        shares = [_shares(row.scores, dense) for row in group if row.scores]
        shared = [column for column in dense if all(column in own for own in shares)]
        group = [replace(row, retained=_retained(row, dense, shared)) for row in group]
        # Rows that miss the sparsity stand after those that meet it, without a rank.
        ranked += sorted(group, key=lambda r: (not r.meets_sparsity, -(r.retained or 0.0), r.name))
    return [*controls, *ranked]


def _retained(row: Row, dense: Mapping[Column, Score], columns: Sequence[Column]) -> float | None:
    if not row.scores or not row.meets_sparsity:
        return None
    shares = _shares(row.scores, dense)
    return _mean([shares[column] for column in columns])


def _shares(scores: Mapping[Column, Score], dense: Mapping[Column, Score]) -> dict[Column, float]:
    """What is kept of the dense scores; not of one that is 0, infinite or undefined."""
    shares = {}
    for column, score in scores.items():
        ours, theirs = score.value, dense[column].value if column in dense else None
        if ours is not None and theirs is not None:
            top, bottom = (ours, theirs) if column.higher_is_better else (theirs, ours)
            share = top / bottom if bottom else math.nan
            if math.isfinite(share):
                shares[column] = share
    return shares
