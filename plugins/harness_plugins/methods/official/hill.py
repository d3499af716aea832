"""The Hill estimator as released: the lower bound at the peak is a logarithm, and binds nothing.

haiquanlu/AlphaPruning, lib/esd_utils.py, net_esd_estimator. The beginning of the tail is looked for
from 0.95 times the peak on, but what an eigenvalue is compared with is log10 of that: below a peak
of one all eigenvalues pass, so that those far below the peak are looked at as well. Eigenvalues of
zero are not left out, everything is float32, and where no eigenvalue lies near the peak alpha is 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from harness.plugin import Granularity, PartError, ScoreEstimator, ScoreSession, hookimpl
from harness_plugins.methods.alphapruning import BINS, Fit


@dataclass(frozen=True)
class HillOfficial:
    """1 / alpha of every layer."""

    name: ClassVar[str] = "hill-official"
    granularity: ClassVar[Granularity] = "layer"
    data_free: ClassVar[bool] = True

    fit: Fit = "alpha_peak"
    """Where the tail begins: near the peak of the spectrum, or at its median."""

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for number, layer in enumerate(session.layers):
            session.progress(number, len(session.layers), layer.name)
            singular = torch.linalg.svdvals(session.weight(layer).float().cpu())
            alpha = released_alpha(singular.square().sort().values, self.fit)
            if not 0 < alpha < torch.inf:
                raise PartError(
                    f"{layer.name}: the released AlphaPruning gives alpha {alpha:g}; its spectrum "
                    f"holds zeros, is flat, or has nothing near its peak"
                )
            yield layer.name, 1 / alpha


def released_alpha(eigenvalues: Tensor, fit: Fit) -> float:
    """Alpha of ascending eigenvalues (k,), float32."""
    if eigenvalues[0] == 0:  # the released histogram has no range
        return 0.0
    if fit == "alpha_mid":
        return float(_alpha(eigenvalues.log(), len(eigenvalues) // 2))
    logs = eigenvalues.log()
    alphas, distances = torch.zeros(len(logs)), torch.ones(len(logs))
    for start in _candidates(eigenvalues):
        alphas[start] = alpha = _alpha(logs, start)
        if alpha > 1:
            tail = eigenvalues[start:]
            law = 1 - (tail / tail[0]) ** (1 - alpha)
            distances[start] = (law - torch.arange(len(tail)) / len(tail)).abs().max()
    return float(alphas[distances.argmin()])


def _alpha(logs: Tensor, start: int) -> Tensor:
    count = len(logs) - start
    return 1 + count / (logs[start:].sum() - count * logs[start])


def _candidates(eigenvalues: Tensor) -> list[int]:
    """Places of the eigenvalues but the last, from log10(0.95 peak) to 1.5 peak."""
    logs = eigenvalues.log10()
    fullest = torch.histc(logs, BINS, float(logs[0]), float(logs[-1])).argmax()
    peak = 10 ** torch.linspace(float(logs[0]), float(logs[-1]), BINS + 1)[fullest]
    inside = (eigenvalues >= torch.log10(0.95 * peak)) & (eigenvalues <= 1.5 * peak)
    places: list[int] = inside[:-1].nonzero().flatten().tolist()
    return places


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [HillOfficial]
