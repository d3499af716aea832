"""Magnitude pruning: small weights go first.

Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015
(arXiv:1506.02626); the comparison group is the layer, as in Wanda's baseline.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from harness.plugin import (
    Compare,
    Granularity,
    LayerJob,
    LayerResult,
    LocalPruner,
    Recipe,
    ScoreEstimator,
    ScoreSession,
    Statistic,
    hookimpl,
    keep_largest,
)


@dataclass(frozen=True)
class Magnitude:
    """Keep the largest \\|W_ij\\| of each comparison group."""

    name: ClassVar[str] = "magnitude"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset()
    data_free: ClassVar[bool] = True

    compare: Compare = "layer"

    def prune(self, job: LayerJob) -> LayerResult:
        scores = job.weight.abs()
        return LayerResult(
            keep=keep_largest(scores, job.keep_count, compare=self.compare, pattern=job.pattern)
        )


class MagnitudeScore:
    """\\|W_ij\\| as a score per weight."""

    name: ClassVar[str] = "magnitude"
    granularity: ClassVar[Granularity] = "weight"
    data_free: ClassVar[bool] = True

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for layer in session.layers:
            yield layer.name, session.weight(layer).abs()


MAGNITUDE = Recipe(
    name="magnitude",
    paper="Han et al., NeurIPS 2015 (arXiv:1506.02626), per layer.",
    local=("magnitude",),
)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [MagnitudeScore]


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [Magnitude]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [MAGNITUDE]
