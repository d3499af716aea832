"""Magnitude without absolute values: the most negative weights go first.

ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/global_pruner.py, BLIPT5GlobalMagPruner, whose
scores are the weights themselves.
"""

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor

from harness.plugin import Granularity, ScoreEstimator, ScoreSession, hookimpl


class SignedMagnitude:
    """W_ij as a score per weight."""

    name: ClassVar[str] = "signed-magnitude-official"
    granularity: ClassVar[Granularity] = "weight"
    data_free: ClassVar[bool] = True

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for layer in session.layers:
            yield layer.name, session.weight(layer).float()


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [SignedMagnitude]
