"""Scores of single items, with what they weigh and which of them belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Items:
    """Per-item scores of one evaluation, ready for its main score.

    The main score is ``transform(weighted mean) * scale``.
    """

    scores: Floats
    weights: Floats
    clusters: npt.NDArray[np.int64]
    """Cluster index of each item, from 0."""
    transform: Literal["mean", "exp"] = "mean"
    scale: float = 1.0

    @property
    def count(self) -> int:
        return len(self.scores)

    @property
    def cluster_count(self) -> int:
        return int(self.clusters.max()) + 1 if len(self.clusters) else 0

    @property
    def are_right_or_wrong(self) -> bool:
        """Whether every item counts the same and scores 0 or 1."""
        return (
            self.transform == "mean"
            and set(np.unique(self.scores)) <= {0.0, 1.0}
            and len(np.unique(self.weights)) == 1
        )

    def mean(self) -> float:
        return float(np.average(self.scores, weights=self.weights))

    def main(self) -> float:
        return self.to_score(self.mean())

    def to_score(self, mean: float) -> float:
        """A mean on the scale of the main score; infinite where a float cannot hold it."""
        try:
            return (math.exp(mean) if self.transform == "exp" else mean) * self.scale
        except OverflowError:
            return math.inf

    def part(self, chosen: npt.NDArray[np.bool_]) -> Items:
        """The chosen items, for their main score."""
        columns = (self.scores[chosen], self.weights[chosen], self.clusters[chosen])
        return Items(*columns, self.transform, self.scale)

    @property
    def why_unbounded(self) -> str:
        """Why its interval, or that of a difference, has no bounds."""
        if not math.isfinite(self.main()):
            return f"the score is {self.main()}"
        if self.count == 1:
            return "one item: no interval"
        if self.cluster_count == 1:
            return f"{self.count} items of one image or text: no interval"
        return "a bound is too large for a number"


def make_items(
    scores: Sequence[float],
    clusters: Sequence[str],
    *,
    weights: Sequence[float] | None = None,
    transform: Literal["mean", "exp"] = "mean",
    scale: float = 1.0,
) -> Items:
    """Number the clusters in order of appearance and fill in equal weights."""
    numbers: dict[str, int] = {}
    indices = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    return Items(
        scores=np.asarray(scores, dtype=np.float64),
        weights=np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64),
        clusters=np.asarray(indices, dtype=np.int64),
        transform=transform,
        scale=scale,
    )
