"""Wanda: weights times the norm of the activations they meet.

Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models",
ICLR 2024 (arXiv:2306.11695), eq. 1: S_ij = |W_ij| * ||X_j||_2, compared within an output row.
Reference: locuslab/wanda, lib/prune.py and lib/layerwrapper.py. Its ``scaler_row`` is a mean over
sequences of the summed squares; the constant factor to our sum changes no ranking.
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
class Wanda:
    """Keep the largest \\|W_ij\\| * sqrt(sum_t x_tj^2) of each comparison group."""

    name: ClassVar[str] = "wanda"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"input_sq"})

    compare: Compare = "row"

    def prune(self, job: LayerJob) -> LayerResult:
        scores = job.weight.abs() * job.stats.input_sq.sqrt()
        return LayerResult(
            keep=keep_largest(scores, job.keep_count, compare=self.compare, pattern=job.pattern)
        )


class ActivationScore:
    """The same per weight on the dense model, for budgets over several layers."""

    name: ClassVar[str] = "activation"
    granularity: ClassVar[Granularity] = "weight"

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for layer, found in session.statistics({"input_sq"}):
            yield layer.name, session.weight(layer).float().abs() * found.input_sq.sqrt()


WANDA = Recipe(
    name="wanda",
    paper="Sun et al., ICLR 2024 (arXiv:2306.11695), per output row.",
    local=("wanda",),
)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [ActivationScore]


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [Wanda]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [WANDA]
