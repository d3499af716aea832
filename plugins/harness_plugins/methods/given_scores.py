"""Prune by the scores of a weight-wise estimator, whatever they are."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

import torch

from harness.plugin import (
    Compare,
    LayerJob,
    LayerResult,
    LocalPruner,
    PartError,
    Statistic,
    hookimpl,
    keep_largest,
)


@dataclass(frozen=True)
class GivenScores:
    """Keep the largest given scores of each comparison group."""

    name: ClassVar[str] = "scores"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset()
    data_free: ClassVar[bool] = True

    compare: Compare = "layer"

    def prune(self, job: LayerJob) -> LayerResult:
        if job.scores is None:
            raise PartError("local=scores needs an estimator that scores every weight")
        scores = job.scores
        if job.keep is not None:  # what is gone stays gone
            scores = scores.masked_fill(~job.keep, torch.finfo(scores.dtype).min)
        return LayerResult(
            keep=keep_largest(scores, job.keep_count, compare=self.compare, pattern=job.pattern)
        )


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [GivenScores]
