"""Sources too large to be read at once: an item becomes a sample when it is drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.plugin.samples import Sample


@dataclass(frozen=True)
class SamplePool:
    """The items of a source in a fixed order, none of them read yet."""

    size: int
    name: Callable[[int], str]
    """Position -> the item's id, known without reading it; subsets are cut by it."""
    make: Callable[[int], Sample | None]
    """Position -> the item's sample; None = it gives none, e.g. a text shorter than a window."""
    stratum: Callable[[int], str] = lambda _: ""
    """Position -> the item's class, whose share a subset keeps."""

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> SamplePool:
        """Samples that are there already."""
        return cls(
            len(samples),
            lambda i: samples[i].id,
            samples.__getitem__,
            lambda i: str(target) if isinstance(target := samples[i].target, int) else "",
        )

    @classmethod
    def join(cls, pools: Sequence[SamplePool]) -> SamplePool:
        """The items of all pools, one after the other."""
        ends = list(accumulate(pool.size for pool in pools))

        def place(position: int) -> tuple[SamplePool, int]:
            number = bisect_right(ends, position)
            return pools[number], position - (ends[number - 1] if number else 0)

        def name(position: int) -> str:
            pool, inside = place(position)
            return pool.name(inside)

        def make(position: int) -> Sample | None:
            pool, inside = place(position)
            return pool.make(inside)

        def stratum(position: int) -> str:
            pool, inside = place(position)
            return pool.stratum(inside)

        return cls(ends[-1] if ends else 0, name, make, stratum)

    @property
    def ids(self) -> list[str]:
        return [self.name(position) for position in range(self.size)]

    @property
    def strata(self) -> list[str]:
        return [self.stratum(position) for position in range(self.size)]

    def draw(self, order: Iterable[int]) -> Iterator[Sample]:
        """The samples at those positions, but for items that give none."""
        return (sample for i in order if (sample := self.make(i)) is not None)

    def take(self, positions: Sequence[int]) -> SamplePool:
        """Only the items at those positions, in that order."""
        return SamplePool(
            len(positions),
            lambda i: self.name(positions[i]),
            lambda i: self.make(positions[i]),
            lambda i: self.stratum(positions[i]),
        )
