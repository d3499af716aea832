"""Random pruning: the floor that every method has to beat.

Blalock et al., "What is the State of Neural Network Pruning?", MLSys 2020 (arXiv:2003.03033),
ask for this row in every comparison.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from harness.plugin import (
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


class Random:
    """Keep a random subset of the layer."""

    name: ClassVar[str] = "random"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset()

    def prune(self, job: LayerJob) -> LayerResult:
        # Drawn on the CPU, so that every device prunes the same weights.
        scores = torch.rand(job.info.shape, generator=job.rng)
        keep = keep_largest(scores, job.keep_count, compare="layer", pattern=job.pattern)
        return LayerResult(keep=keep.to(job.weight.device))


@dataclass(frozen=True)
class RandomScore:
    """Scores uniform in [0, 1), one per weight or one per layer."""

    name: ClassVar[str] = "random"

    granularity: Literal["weight", "layer"] = "weight"

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for layer in session.layers:
            shape = layer.shape if self.granularity == "weight" else ()
            drawn = torch.rand(shape, generator=session.rng)
            yield layer.name, drawn if self.granularity == "weight" else float(drawn)


RANDOM = Recipe(
    name="random",
    paper="Random weights of every layer (baseline asked for by Blalock et al., MLSys 2020).",
    local=("random",),
)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [RandomScore]


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [Random]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [RANDOM]
