"""Zeroth order as released: the perturbation is undone by arithmetic, and the weights drift.

ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/layer_single_base_pruner.py,
compute_importance_scores_mezo. Departures from the paper that the released loop has:

- W + eps z - 2 eps z + eps z is rounded three times in the weight's own precision, so W does not
  come back: by about an ulp per draw in float32, by far more in bfloat16, where it hardly moves
  under eps = 1e-3 at all. The drifted weights are those that are pruned.
- Every direction uses up its batch's samples again, so that more of them see less data.
- A batch of eight shares a direction: 32 samples make four draws per matrix.
- The sum over draws is not divided by their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Generator, Tensor

from harness.plugin import (
    Batch,
    Granularity,
    LayerInfo,
    ScoreEstimator,
    ScoreSession,
    hookimpl,
)


@dataclass(frozen=True)
class ZerothOrderOfficial:
    """Sum over draws of the absolute central difference, weights left as rounding left them."""

    name: ClassVar[str] = "zeroth-order-official"
    granularity: ClassVar[Granularity] = "layer"
    changes_weights: ClassVar[bool] = True

    samples: Annotated[int, Field(gt=0)] = 32
    batch_size: Annotated[int, Field(gt=0)] = 8
    noises: Annotated[int, Field(gt=0)] = 1
    """Directions per batch; each uses up the batch's samples again."""
    eps: Annotated[float, Field(gt=0)] = 1e-3

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        draws = self._draws(session)
        for position, layer in enumerate(session.layers):
            session.progress(position, len(session.layers), layer.name)
            total = 0.0
            for batch in draws:
                seed = draw_seed(session.rng)
                total += abs(_difference(session, layer, batch, seed, self.eps))
            yield layer.name, total

    def _draws(self, session: ScoreSession) -> list[Batch]:
        """The batch of each draw; every matrix starts from the first one again."""
        draws: list[Batch] = []
        used = 0
        for batch in session.batches(self.samples, size=self.batch_size):
            for _ in range(self.noises):
                if used < self.samples:
                    draws.append(batch)
                    used += next(iter(batch.values())).shape[0]
        return draws


def draw_seed(rng: Generator) -> int:
    """Seed of the next direction."""
    return int(torch.randint(1_000_000_000, (), generator=rng))


def _difference(
    session: ScoreSession, layer: LayerInfo, batch: Batch, seed: int, eps: float
) -> float:
    """(L(W + eps z) - L(W - eps z)) / (2 eps), all in place and in the weight's precision."""
    weight = session.weight(layer)
    z = torch.randn(
        layer.shape, generator=torch.Generator().manual_seed(seed), dtype=weight.dtype
    ).to(weight.device)
    weight.copy_(weight + z * eps)
    above = float(session.loss(batch))
    weight.copy_(weight - 2 * z * eps)
    below = float(session.loss(batch))
    weight.copy_(weight + z * eps)
    return (above - below) / (2 * eps)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [ZerothOrderOfficial]
