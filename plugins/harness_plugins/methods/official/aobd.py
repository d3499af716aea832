"""First order as first released: the square of the weight times the mean absolute gradient.

ylsung/ECoFLaP at its first public commit, compute_importance_scores: the method ``aobd`` was meant
to be |W| mean |g|, but is caught by the test for ``obd``, which squares the weight.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from harness.plugin import ScoreEstimator, hookimpl
from harness_plugins.methods.first_order import BatchMean


@dataclass(frozen=True)
class FirstOrderAOBD(BatchMean):
    """W^2 mean_b \\|g_b\\|."""

    name: ClassVar[str] = "first-order-aobd-official"

    def of_batch(self, weight: Tensor, gradient: Tensor) -> Tensor:
        return weight.square() * gradient.abs()


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [FirstOrderAOBD]
