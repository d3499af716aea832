"""Magnitude per layer with an inclusive threshold (locuslab/wanda, lib/prune.py)."""

from collections.abc import Set as AbstractSet
from typing import ClassVar

from harness.plugin import (
    LayerJob,
    LayerResult,
    LocalPruner,
    Recipe,
    Statistic,
    hookimpl,
    keep_largest,
)
from harness_plugins.methods.official.inclusive import keep_above_index


class MagnitudeOfficial:
    """Prune all \\|W_ij\\| up to the one at index int(n s) of the layer."""

    name: ClassVar[str] = "magnitude-official"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset()
    data_free: ClassVar[bool] = True
    exact: ClassVar[bool] = False

    def prune(self, job: LayerJob) -> LayerResult:
        scores = job.weight.abs()
        if job.pattern is not None:
            keep = keep_largest(scores, job.keep_count, compare="row", pattern=job.pattern)
        else:
            keep = keep_above_index(scores, job.info.numel - job.keep_count)
        return LayerResult(keep=keep)


MAGNITUDE_OFFICIAL = Recipe(
    name="magnitude-official",
    paper="Magnitude per layer as released in locuslab/wanda (lib/prune.py).",
    local=("magnitude-official",),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [MagnitudeOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [MAGNITUDE_OFFICIAL]
