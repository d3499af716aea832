"""Every evaluation beside the dense one of the same items, from their per-sample logs.

Nothing of this is filed: a dense run that comes later is compared with all that was there before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.asked import key_of
from harness.errors import DataError
from harness.items import Items, make_items
from harness.record import EvalRecord
from harness.statistics import paired_interval, paired_p
from harness.store import Store

#: An item counts as right from this score on (VQA accuracy is graded).
RIGHT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Against the dense model on the very same items, in units of the main score."""

    delta: float | None = None
    low: float | None = None
    high: float | None = None
    """95 % interval of delta, paired, clustered by image."""
    p: float | None = None
    flips: float | None = None
    """Share of items whose correctness changed; None = scores do not say how right an answer is."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """``delta`` or ``interval of delta`` -> why it is missing."""


def compare_all(store: Store, records: Iterable[EvalRecord]) -> dict[str, Comparison]:
    """Key of every pruned or blind evaluation -> its comparison; each log is read once."""
    by_key = {record.key: record for record in records}
    by_dense: dict[str, dict[str, EvalRecord]] = {}
    for key, record in by_key.items():
        dense = key_of(record.asked.model_copy(update={"pruned": None, "blind": False}))
        if key != dense:
            by_dense.setdefault(dense, {})[key] = record
    found: dict[str, Comparison] = {}
    for dense, rows in by_dense.items():
        then = _read(store, by_key.get(dense))
        found |= {key: _against(then, _read(store, row), row) for key, row in rows.items()}
    return found


def items_of(store: Store, record: EvalRecord) -> Items:
    """Per-item scores of an evaluation from its log.

    Raises:
        DataError: The log cannot be read, is not the one that was filed, or holds no scores.
    """
    rows, got = list(store.read_samples(record)), record.got  # read whole: its digest is its last
    try:
        scores, clusters, weights = (
            [row[name] for row in rows] for name in ("score", "cluster", "weight")
        )
        return make_items(
            scores, clusters, weights=weights, transform=got.transform, scale=got.scale
        )
    except (KeyError, TypeError, ValueError) as error:
        log = f"the per-sample log of {record.row} on {record.task}"
        raise DataError(store.root, f"{log} holds no scores ({error!r})") from None


def _read(store: Store, record: EvalRecord | None) -> Items | str:
    """The items, or why there are none."""
    if record is None:
        return "the dense model has no score here yet"
    if record.got.score is None:
        return f"the score of {record.row} is undefined"
    try:
        items = items_of(store, record)
    except DataError:
        return f"the per-sample log of {record.row} is missing, or not the one that was filed"
    if not math.isclose(items.main(), record.got.score, rel_tol=1e-9):
        return f"the per-sample log of {record.row} does not give its score"
    return items


def _against(dense: Items | str, now: Items | str, row: EvalRecord) -> Comparison:
    if isinstance(dense, str):
        return Comparison(absent={"delta": dense})
    if isinstance(now, str):
        return Comparison(absent={"delta": now})
    return compare(now, dense, count_flips=row.got.is_correctness)


def compare(now: Items, dense: Items, *, count_flips: bool) -> Comparison:
    """Delta with its paired interval, p and, where scores are correctness, flips."""
    interval = paired_interval(now, dense)
    if not math.isfinite(interval.value):
        why = f"{now.main()} against {dense.main()} for dense"
        return Comparison(absent={"delta": why})
    low, high = interval.bounds
    flips = np.mean((now.scores >= RIGHT) != (dense.scores >= RIGHT))
    return Comparison(
        delta=interval.value,
        low=low,
        high=high,
        p=paired_p(now, dense),
        flips=float(flips) if count_flips else None,
        absent={"interval of delta": now.why_unbounded} if low is None else {},
    )
