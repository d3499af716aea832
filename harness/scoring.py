"""The coarse stage: run a score estimator on the live model and sum up what it says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from harness.asked import hash_of
from harness.calibration import CalibrationSet
from harness.contract import check_scores, own_granularity
from harness.errors import InputError
from harness.model import Model, group_layers
from harness.plugin import EstimatorTags, Granularity, Group, LayerInfo, ScoreEstimator
from harness.session import Progress, Session, left_as_found, state_restored


@dataclass(frozen=True)
class ScoreSet:
    """What an estimator said: one number per layer or group, and weight scores if it has them."""

    granularity: Granularity
    values: Mapping[str, float]
    weights: Mapping[str, Tensor]
    """Layer -> (out, in) float32 on the CPU; empty unless the granularity is ``weight``."""
    seconds: float = 0.0
    peak_memory_bytes: int | None = None

    def to_json(self) -> str:
        """The numbers alone with their hash; scores per weight are not written."""
        content = {**vars(self), "weights": {}}
        return json.dumps({"digest": hash_of(content), "scores": content})

    @staticmethod
    def from_json(text: str) -> ScoreSet:
        """What `to_json` wrote.

        Raises:
            ValueError: The text is not what was written.
        """
        filed = json.loads(text)
        if not isinstance(filed, dict) or filed.get("digest") != hash_of(filed.get("scores")):
            raise ValueError("its digest differs")
        return ScoreSet(**filed["scores"])

    def table(self, layers: Sequence[LayerInfo], granularity: Granularity) -> Table:
        """Sum up at an allocator's granularity.

        Raises:
            InputError: The scores are coarser than that.
        """
        order: list[Granularity] = ["weight", "layer", "block", "tower"]
        if order.index(self.granularity) > order.index(granularity):
            raise InputError(
                f"scores per {self.granularity} cannot make a budget per {granularity}"
            )
        groups = group_layers(layers, granularity)
        own = own_granularity(self.granularity)
        totals = {}
        for group in groups:
            parts = dict.fromkeys(layer.group(own) for layer in group.layers)
            totals[group.name] = math.fsum(self.values[part] for part in parts)
        return Table(groups, totals, self.weights)


@dataclass(frozen=True)
class Table:
    """`ScoreTable` of the machine."""

    groups: Sequence[Group]
    totals: Mapping[str, float]
    weights: Mapping[str, Tensor] = field(default_factory=dict)

    def total(self, group: Group) -> float:
        return self.totals[group.name]

    def mean(self, group: Group) -> float:
        return self.totals[group.name] / group.numel

    def count_largest(self, keep: int, layers: Sequence[LayerInfo]) -> dict[str, int]:
        pools = self._pools(layers)
        drop = sum(map(len, pools)) - keep
        if drop <= 0:
            return {layer.name: layer.numel for layer in layers}
        threshold = np.partition(np.concatenate(pools), drop - 1)[drop - 1]
        below = drop - sum(int((pool < threshold).sum()) for pool in pools)
        counts = {}
        for layer, pool in zip(layers, pools, strict=True):
            tied = int((pool == threshold).sum())
            gone = min(tied, below)  # of the scores equal to the threshold, the first ones go
            below -= gone
            counts[layer.name] = int((pool >= threshold).sum()) - gone
        return counts

    def count_above(self, rank: int, layers: Sequence[LayerInfo]) -> dict[str, int]:
        pools = self._pools(layers)
        if rank == 0:
            return {layer.name: layer.numel for layer in layers}
        threshold = np.partition(np.concatenate(pools), rank - 1)[rank - 1]
        return {
            layer.name: int((pool > threshold).sum())
            for layer, pool in zip(layers, pools, strict=True)
        }

    def _pools(self, layers: Sequence[LayerInfo]) -> list[np.ndarray]:
        if not self.weights:
            raise InputError("a threshold over all weights needs scores for every weight")
        return [self.weights[layer.name].reshape(-1).numpy() for layer in layers]


def score(
    model: Model,
    estimator: ScoreEstimator,
    calibration: CalibrationSet | None,
    seed: int,
    progress: Progress,
) -> ScoreSet:
    """Run the estimator and check what it yields; the model is as before when it ends.

    The weights of an estimator with ``changes_weights`` stay as it left them.

    Args:
        calibration: None for an estimator that is data-free.

    Raises:
        PartError: A score is missing, of the wrong shape, NaN or infinite, or one per layer or
            group is negative; or the estimator left a weight changed and did not say so.
    """
    session = Session(model, calibration, seed, progress)
    tags = EstimatorTags.of(estimator)
    values: dict[str, float] = {}
    weights: dict[str, Tensor] = {}
    with state_restored(model) if tags.changes_weights else left_as_found(model):
        for name, scores in check_scores(estimator, session):
            if isinstance(scores, Tensor):
                weights[name] = scores
                values[name] = float(scores.double().sum())
            else:
                values[name] = scores
    names = [group.name for group in group_layers(model.layers, own_granularity(tags.granularity))]
    return ScoreSet(tags.granularity, {name: values[name] for name in names}, weights)
