"""What families, editions and calibration sources give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.contract.seen import kind_of
from harness.errors import PartError
from harness.plugin import EditionInfo, LoadedModel, Sample, SamplePool
from harness.plugin.needs import missing_members


def check_loaded(loaded: Any) -> LoadedModel:
    """What a family loaded.

    Raises:
        PartError: It lacks something that every `LoadedModel` has.
    """
    if missing := missing_members(loaded, LoadedModel):
        raise PartError(f"load() gave {kind_of(loaded)}, which has no {', '.join(missing)}")
    found: LoadedModel = loaded
    return found


def check_edition(info: Any) -> EditionInfo | None:
    """What an edition provided.

    Raises:
        PartError: It is neither an `EditionInfo` nor None.
    """
    if info is not None and not isinstance(info, EditionInfo):
        raise PartError(f"provide() gave {kind_of(info)}; an EditionInfo or None is right")
    return info


def check_pool(samples: Any) -> SamplePool:
    """What a calibration source gave, as a pool.

    Raises:
        PartError: It is neither a pool nor a sequence of samples.
    """
    if isinstance(samples, SamplePool):
        return samples
    if isinstance(samples, str) or not isinstance(samples, Sequence):
        raise PartError(f"samples() gave {kind_of(samples)}; a list of Sample is right")
    for place, sample in enumerate(samples):
        if not isinstance(sample, Sample):
            raise PartError(f"sample {place} is {kind_of(sample)}; a Sample is right")
    return SamplePool.of(samples)


def check_drawn(samples: Iterator[Any]) -> Iterator[Sample]:
    """Samples of a pool, as they are made.

    Raises:
        PartError: One is no `Sample`.
    """
    for sample in samples:
        if not isinstance(sample, Sample):
            raise PartError(f"a pool made {kind_of(sample)}; a Sample or None is right")
        yield sample
