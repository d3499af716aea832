"""What ECoFLaP's zeroth-order score estimates, from gradients instead of finite differences.

Sung, Yoon, Bansal, "ECoFLaP", ICLR 2024 (arXiv:2310.02998), scores a matrix by

    | L(W + eps z) - L(W - eps z) | / (2 eps) = | <grad_W L, z> | + O(eps^2),   z ~ N(0, I).

`directional` computes the right-hand side with the same z: one backward pass per sample instead of
two forward passes per sample and matrix. <g, z> is normal with standard deviation ||g||_F, so its
mean absolute value is sqrt(2 / pi) ||g||_F: `gradient-norm` is that limit, without the noise of
drawing z (one draw has a relative standard deviation of 0.76).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import Granularity, Recipe, ScoreEstimator, ScoreSession, hookimpl


@dataclass(frozen=True)
class Directional:
    """Mean over samples and directions of the absolute directional derivative."""

    name: ClassVar[str] = "directional"
    granularity: ClassVar[Granularity] = "layer"

    samples: Annotated[int, Field(gt=0)] = 32
    batch_size: Annotated[int, Field(gt=0)] = 1
    noises: Annotated[int, Field(gt=0)] = 1

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        batches = session.batches(self.samples, size=self.batch_size)
        totals = dict.fromkeys((layer.name for layer in session.layers), 0.0)
        for number, batch in enumerate(batches):
            # Seeds are drawn in the order in which zeroth-order draws them.
            seeds = {
                layer.name: torch.randint(2**31, (self.noises,), generator=session.rng).tolist()
                for layer in session.layers
            }
            for layer, gradient in session.gradients(batch):
                for seed in seeds[layer.name]:
                    z = torch.randn(layer.shape, generator=torch.Generator().manual_seed(seed))
                    slope = (gradient.double() * z.to(gradient.device)).sum()
                    totals[layer.name] += abs(float(slope))
            session.progress(number + 1, len(batches), f"sample {number + 1}")
        draws = len(batches) * self.noises
        yield from ((name, total / draws) for name, total in totals.items())


@dataclass(frozen=True)
class GradientNorm:
    """sqrt(2 / pi) times the mean over samples of the gradient's Frobenius norm."""

    name: ClassVar[str] = "gradient-norm"
    granularity: ClassVar[Granularity] = "layer"

    samples: Annotated[int, Field(gt=0)] = 32
    batch_size: Annotated[int, Field(gt=0)] = 1

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        batches = session.batches(self.samples, size=self.batch_size)
        totals = dict.fromkeys((layer.name for layer in session.layers), 0.0)
        for number, batch in enumerate(batches):
            for layer, gradient in session.gradients(batch):
                totals[layer.name] += float(torch.linalg.vector_norm(gradient.double()))
            session.progress(number + 1, len(batches), f"sample {number + 1}")
        factor = math.sqrt(2 / math.pi) / len(batches)
        yield from ((name, factor * total) for name, total in totals.items())


ECOFLAP_EXACT = Recipe(
    name="ecoflap-exact",
    paper="The noise-free limit of ECoFLaP's zeroth-order score (arXiv:2310.02998, Fig. 3).",
    score="gradient-norm",
    budget="capped-proportional",
    local=("wanda",),
    headroom=0.1,
)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [Directional, GradientNorm]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [ECOFLAP_EXACT]
