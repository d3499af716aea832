"""How long a stage and a run have taken, and how long they still take."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

MINUTE, HOUR = 60, 3600


class StageClock:
    """One stage, from what it has done since it was first heard of: a resumed one begins late."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._first: tuple[float, int] | None = None
        self._last = (now, 0)
        self._total = 0

    def step(self, now: float, done: int, total: int) -> None:
        """So many of its steps are done."""
        self._first = self._first or (now, done)
        self._last, self._total = (now, done), total

    def so_far(self, now: float) -> float:
        """Seconds."""
        return now - self._began

    def left(self, now: float) -> float | None:
        """Seconds at the pace so far; None = it is not known yet."""
        if self._first is None or self._last[1] <= self._first[1]:
            return None
        (began, before), (then, done) = self._first, self._last
        pace = (then - began) / (done - before)
        return max(0.0, pace * (self._total - done) - (now - then))


class RunClock:
    """A run of several cells; those of one kind take about equally long."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._kinds: Sequence[str] = ()
        self._seconds: dict[str, list[float]] = {}
        self._cell = 0
        self._cell_began = now

    @property
    def cell(self) -> str:
        """``cell 3 of 6``, or nothing before the first."""
        return f"cell {self._cell} of {len(self._kinds)}" if self._cell else ""

    @property
    def share(self) -> tuple[int, int]:
        """Cells that are over, and all."""
        return max(0, self._cell - 1), len(self._kinds)

    def plan(self, kinds: Sequence[str]) -> None:
        """Take the kinds of all cells, in their order."""
        self._kinds = kinds

    def begin(self, now: float, number: int) -> None:
        """The cell of that number, from 1, begins, and the one before is over."""
        if self._cell:
            kind = self._kinds[self._cell - 1]
            self._seconds.setdefault(kind, []).append(now - self._cell_began)
        self._cell, self._cell_began = number, now

    def so_far(self, now: float) -> float:
        """Seconds."""
        return now - self._began

    def left(self, now: float) -> float | None:
        """Seconds, as long as cells of each kind took; None before the first is over."""
        if not self._seconds:
            return None
        every = fmean([seconds for found in self._seconds.values() for seconds in found])
        means = {kind: fmean(found) for kind, found in self._seconds.items()}
        current, *others = [means.get(kind, every) for kind in self._kinds[self._cell - 1 :]]
        return max(0.0, current - (now - self._cell_began)) + sum(others)


def times(clock: StageClock | RunClock, now: float) -> str:
    """``2 s so far, 3 s left``."""
    left = clock.left(now)
    so_far = f"{duration(clock.so_far(now))} so far"
    return so_far if left is None else f"{so_far}, {duration(left)} left"


def duration(seconds: float) -> str:
    """In the unit that people would take.

    >>> duration(3.4), duration(200), duration(3900), duration(90000)
    ('3 s', '3:20 min', '1:05 h', '25:00 h')
    """
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02} min"
    return f"{whole // HOUR}:{whole % HOUR // MINUTE:02} h"
