"""AlphaPruning: blocks whose weights have a heavier-tailed spectrum keep more.

Lu et al., "AlphaPruning: Using Heavy-Tailed Self Regularization Theory for Improved Layer-wise
Pruning of Large Language Models", NeurIPS 2024 (arXiv:2410.10912). Reference:
haiquanlu/AlphaPruning, lib/esd_utils.py and lib/prune.py. The eigenvalues l_1 <= … <= l_k of W^T W
have a tail p(l) ~ l^-alpha, whose exponent the Hill estimator gives,

    alpha = 1 + n / sum_i log(l_i / l_min),    over the n eigenvalues from l_min on.

Where the tail begins is the question. `alpha_peak`, the authors' default and in all their scripts,
looks near the peak of the spectrum: of the eigenvalues from 0.95 to 1.5 times the left edge of the
fullest of 100 bins of log10 l, it takes the one from which the power law fits best, by the
Kolmogorov-Smirnov distance. `alpha_mid` takes the median.

A small alpha is a heavy tail, the mark of a well-trained matrix. Block means of alpha are mapped
linearly to [1 - spread, 1 + spread] and scaled so that the mean sparsity, weighted by the number
of weights, is the target: a large alpha means more pruning. Our scores say what to keep, so the
estimator gives 1 / alpha and the allocator turns it round again.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import (
    BudgetAllocator,
    Granularity,
    InfeasibleError,
    LayerInfo,
    PartError,
    Recipe,
    ScoreEstimator,
    ScoreSession,
    ScoreTable,
    Target,
    apportion_shifted,
    hookimpl,
)

Fit = Literal["alpha_peak", "alpha_mid"]
BINS = 100
BELOW_PEAK, ABOVE_PEAK = math.log(0.95), math.log(1.5)


@dataclass(frozen=True)
class Hill:
    """1 / alpha of every layer, in [0, 1); 0 for a spectrum without a tail (all values equal)."""

    name: ClassVar[str] = "hill"
    granularity: ClassVar[Granularity] = "layer"
    data_free: ClassVar[bool] = True

    fit: Fit = "alpha_peak"
    """Where the tail begins: near the peak of the spectrum, or at its median."""

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for number, layer in enumerate(session.layers):
            session.progress(number, len(session.layers), layer.name)
            yield (
                layer.name,
                heaviness(torch.linalg.svdvals(session.weight(layer).float()), self.fit),
            )


def heaviness(singular: Tensor, fit: Fit = "alpha_peak") -> float:
    """1 / alpha of the Hill estimator, from a matrix's singular values (k,), in any order."""
    values = singular.double()
    # What rounding makes of an eigenvalue of zero is left out.
    noise = values.max() * len(values) * torch.finfo(singular.dtype).eps
    logs = 2 * values[values > noise].log().sort().values
    if not len(logs) or logs[0] == logs[-1]:
        return 0.0
    tail = logs[_near_peak(logs) if fit == "alpha_peak" else len(logs) // 2 :]
    above = float((tail - tail[0]).sum())
    return above / (above + len(tail))


def _near_peak(logs: Tensor) -> int:
    """Where the best fitting power law near the peak begins, in ascending log eigenvalues."""
    least, most = float(logs[0]), float(logs[-1])
    fullest = int(torch.histc(logs, BINS, least, most).argmax())
    peak = least + (most - least) * fullest / BINS
    # The last eigenvalue alone is no tail.
    near = (logs[:-1] >= peak + BELOW_PEAK) & (logs[:-1] <= peak + ABOVE_PEAK)
    starts: list[int] = near.nonzero().flatten().tolist()
    return min(starts, key=lambda start: _distance(logs[start:]))


def _distance(tail: Tensor) -> float:
    """Kolmogorov-Smirnov distance of a tail (n,) of log eigenvalues from its own power law."""
    above = tail - tail[0]
    if not above.any():
        return 1.0  # no law has all of its values at one place
    exponent = len(tail) / above.sum()
    empirical = torch.arange(len(tail), device=tail.device) / len(tail)
    return float((1 - (-exponent * above).exp() - empirical).abs().max())


@dataclass(frozen=True)
class Alpha:
    """Block sparsities linear in the block's mean alpha, where a layer's alpha is 1 / score."""

    name: ClassVar[str] = "alpha"
    granularity: ClassVar[Granularity] = "layer"

    spread: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The released epsilon: before scaling, sparsities go from 1 - spread to 1 + spread."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError("budget=alpha needs score=NAME, e.g. score=hill")
        factors = block_factors(scores, self.spread)
        sizes = [layer.numel for layer in layers]
        wanted = [factors[layer.group("block")] for layer in layers]
        mean = sum(f * n for f, n in zip(wanted, sizes, strict=True)) / sum(sizes)
        keep = apportion_shifted(
            target,
            [-target.sparsity * factor / mean for factor in wanted],
            sizes=sizes,
            floors=[target.min_keep[layer.name] for layer in layers],
        )
        return {layer.name: count for layer, count in zip(layers, keep, strict=True)}


def block_factors(scores: ScoreTable, spread: float) -> dict[str, float]:
    """Block -> its sparsity before scaling, from 1 - spread to 1 + spread; 1 if all are alike.

    Raises:
        InfeasibleError: The score of a layer is 0.
    """
    by_block: dict[str, list[float]] = {}
    for group in scores.groups:
        [layer] = group.layers
        score = scores.total(group)
        if score <= 0:
            raise InfeasibleError(
                f"the score of {layer.name} is 0, so its alpha is not finite and says nothing "
                f"of how much to prune"
            )
        by_block.setdefault(layer.group("block"), []).append(1 / score)
    alphas = {block: fmean(found) for block, found in by_block.items()}
    least, width = min(alphas.values()), max(alphas.values()) - min(alphas.values())
    if not width:
        return dict.fromkeys(alphas, 1.0)
    low, high = 1 - spread, 1 + spread
    return {block: (alpha - least) / width * (high - low) + low for block, alpha in alphas.items()}


RECIPE = Recipe(
    name="alphapruning",
    paper="Lu et al., NeurIPS 2024 (arXiv:2410.10912), alpha_peak, epsilon 0.3, with Wanda.",
    score="hill",
    budget="alpha",
    local=("wanda",),
)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [Hill]


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [Alpha]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [RECIPE]
