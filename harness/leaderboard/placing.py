"""Which board, row and column a record belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from harness.asked import DataIdentity, EvalAsked, ProfileIdentity, PruneAsked, hash_of
from harness.leaderboard.board import Column, column_name
from harness.record import EvalRecord, FailureRecord, PruneRecord


class BoardKey(NamedTuple):
    """What evaluations must share to be compared."""

    model: str
    digest: str
    edition: str
    is_partial: bool
    held: str


class RowKey(NamedTuple):
    """What evaluations must share to be seeds and tasks of one row."""

    name: str
    sparsity: float
    parts: str
    """Hash of plugin parts and calibration source; empty = a control."""


def board_of(model: str, asked: EvalAsked) -> BoardKey:
    held = f"{asked.held.device} {asked.held.dtype} {asked.held.attention} batch {asked.batch_size}"
    edition, part = asked.data.edition, asked.data.part
    return BoardKey(model, hash_of(dict(asked.model)), edition, bool(part), held)


def row_of(row: str, sparsity: float, pruned: PruneAsked | None) -> RowKey:
    if pruned is None:
        return RowKey(row, sparsity, "")
    parts = [part.model_dump(mode="json") for part in (*pruned.parts, *pruned.code)]
    calibration = pruned.calibration
    source = [calibration.source, calibration.samples] if calibration else []
    return RowKey(row, sparsity, hash_of([parts, source]))


def column_of(record: EvalRecord) -> Column:
    asked, got = record.asked, record.got
    code = [part.model_dump(mode="json") for part in (asked.task, *asked.code)]
    source = [asked.data.digest, code, asked.profile.model_dump(mode="json")]
    return Column(
        task=record.task,
        profile=_profile(asked),
        part=_part(asked.data),
        metric=got.metric,
        unit=got.unit,
        higher_is_better=got.higher_is_better,
        items=asked.data.items,
        source=hash_of(source)[:6],
        changes=_changes(asked.profile),
    )


def _changes(profile: ProfileIdentity) -> str:
    """All that a changed profile asks with: the record does not hold what it was before."""
    if not profile.changed:
        return ""
    asks = {"prompt": repr(profile.prompt), **profile.generation, "image_size": profile.image_size}
    given = [f"{name} {value}" for name, value in asks.items() if value not in (None, "", "''")]
    return f"; asked with {', '.join(given)}"


def failed_column(failure: FailureRecord) -> str:
    """Name of the column that it would have filled; empty = pruning itself failed."""
    asked = failure.asked
    return "" if isinstance(asked, PruneAsked) else _column_name(failure.task, asked)


def open_failures(
    prunes: Iterable[PruneRecord], evals: Iterable[EvalRecord], failures: Iterable[FailureRecord]
) -> list[FailureRecord]:
    """Those that no run made good: there is no record of that cell of that row and seed."""
    done = {_cell(r.pruner, r.asked.sparsity, r.asked.seed, None, r.asked) for r in prunes}
    done |= {_cell(r.row, r.asked_sparsity, r.seed, r.task, r.asked) for r in evals}
    return [f for f in failures if _cell(f.row, f.sparsity, f.seed, f.task, f.asked) not in done]


def may_show(key: BoardKey, failure: FailureRecord) -> bool:
    """Whether a board is the failed cell's; a model that cannot be pruned so is missed on all."""
    asked = failure.asked
    if isinstance(asked, EvalAsked):
        return board_of(failure.model, asked) == key
    return (failure.model, hash_of(dict(asked.model))) == (key.model, key.digest)


def _cell(
    row: str, sparsity: float, seed: int | None, task: str | None, asked: PruneAsked | EvalAsked
) -> tuple[object, ...]:
    if isinstance(asked, PruneAsked):
        return row, sparsity, seed, hash_of(dict(asked.model)), asked.held
    return row, sparsity, seed, board_of("", asked), _column_name(task, asked)


def _column_name(task: str | None, asked: EvalAsked) -> str:
    return column_name(task or asked.task.name, _profile(asked), _part(asked.data))


def _part(data: DataIdentity) -> str:
    return " ".join(filter(None, [data.variant, data.part]))


def _profile(asked: EvalAsked) -> str:
    return f"{asked.profile.label} v{asked.profile.version}"
