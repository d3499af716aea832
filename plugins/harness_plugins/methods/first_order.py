"""First-order scores: what the loss would change by if a weight went.

Sung, Yoon, Bansal, "ECoFLaP", ICLR 2024 (arXiv:2310.02998), first order; per weight it is Taylor
pruning (Molchanov et al., ICLR 2017, arXiv:1611.06440) and, with the square, the diagonal of
Optimal Brain Damage (LeCun et al., NIPS 1989) on the empirical Fisher. Reference:
ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/layer_single_base_pruner.py,
compute_importance_scores. With g_b the gradient of batch b's loss and the mean over batches:

    product    |W| mean_b |g_b|      (there GradMagAbs)
    square     W^2 mean_b g_b^2      (there GradMagSquare)
    gradient   mean_b |g_b|          (there GradOnly)
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import Recipe, ScoreEstimator, ScoreSession, hookimpl

Kind = Literal["product", "square", "gradient"]


@dataclass(frozen=True)
class BatchMean(ABC):
    """Mean over batches of a score per weight made of weight and gradient.

    Summed up per layer, it never holds all weights' scores.
    """

    granularity: Literal["layer", "weight"] = "layer"
    samples: Annotated[int, Field(gt=0)] = 128
    batch_size: Annotated[int, Field(gt=0)] = 1

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        batches = session.batches(self.samples, size=self.batch_size)
        totals: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            for layer, gradient in session.gradients(batch):
                score = self.of_batch(session.weight(layer).float(), gradient)
                addend = score if self.granularity == "weight" else score.double().sum()
                totals[layer.name] = totals[layer.name] + addend if number else addend
            session.progress(number + 1, len(batches), f"batch {number + 1}")
        for layer in session.layers:
            mean = totals[layer.name] / len(batches)
            yield layer.name, mean if self.granularity == "weight" else float(mean)

    @abstractmethod
    def of_batch(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Scores of one batch (out, in), float32."""


@dataclass(frozen=True)
class FirstOrder(BatchMean):
    """Absolute or squared products of weight and gradient, or the gradient alone."""

    name: ClassVar[str] = "first-order"

    kind: Kind = "product"

    def of_batch(self, weight: Tensor, gradient: Tensor) -> Tensor:
        if self.kind == "gradient":
            return gradient.abs()
        product = weight * gradient
        return product.abs() if self.kind == "product" else torch.square(product)


ECOFLAP_FIRST = Recipe(
    name="ecoflap-first",
    paper="Sung et al., ICLR 2024 (arXiv:2310.02998), first order, p_max = p + 0.1.",
    score="first-order",
    budget="capped-proportional",
    local=("wanda",),
    headroom=0.1,
    family_settings={
        "causal-lm": {"score.kind": "gradient"},
        "t5": {"budget.aggregate": "mean"},
        "clip": {"score.batch_size": 16},
    },
)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [FirstOrder]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [ECOFLAP_FIRST]
