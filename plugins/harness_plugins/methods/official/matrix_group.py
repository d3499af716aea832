"""Comparison groups of the released ECoFLaP: whole matrices in vision towers, rows elsewhere.

ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/wanda_pruner.py: the classes for vision models sort
all of a matrix and prune up to and including the score at index int(n s), so that even at s = 0 a
weight goes; the others prune int(columns s) of every row, so that up to one weight of each row
less goes than asked.
"""

from collections.abc import Set as AbstractSet
from typing import ClassVar

from harness.plugin import LayerJob, LayerResult, LocalPruner, Statistic, hookimpl, keep_largest
from harness_plugins.methods.official.inclusive import keep_above_index


class MatrixGroup:
    """Wanda's score in the comparison groups of the released ECoFLaP."""

    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"input_sq"})
    exact: ClassVar[bool] = False

    def prune(self, job: LayerJob) -> LayerResult:
        scores = job.weight.abs() * (job.stats.input_sq / job.stats.samples).sqrt()
        rows, columns = job.info.shape
        drop = job.info.numel - job.keep_count
        if job.pattern is not None:
            keep = keep_largest(scores, job.keep_count, compare="row", pattern=job.pattern)
        elif job.info.tower == "vision":
            keep = keep_above_index(scores, drop)
        else:
            keep = keep_largest(scores, rows * (columns - drop // rows), compare="row")
        return LayerResult(keep=keep)


class WandaMatrixOfficial(MatrixGroup):
    """Wanda with this quirk alone."""

    name: ClassVar[str] = "wanda-matrix-official"


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [WandaMatrixOfficial]
