"""AlphaPruning: blocks whose weights have a heavier-tailed spectrum keep more.

Lu et al., "AlphaPruning: Using Heavy-Tailed Self Regularization Theory for Improved Layer-wise
Pruning of Large Language Models", NeurIPS 2024 (arXiv:2410.10912). Reference:
haiquanlu/AlphaPruning, lib/esd_utils.py and lib/prune.py. The eigenvalues l_1 <= … <= l_k of W^T W
have a tail p(l) ~ l^-alpha, whose exponent the Hill estimator gives from the upper half,

    alpha = 1 + n / sum_i log(l_i / l_min),    l_min the median, n the number from it on.

A small alpha is a heavy tail, the mark of a well-trained matrix. Block means of alpha are mapped
linearly to [1 - spread, 1 + spread] and scaled so that the mean sparsity, weighted by the number
of weights, is the target: a large alpha means more pruning. Our scores say what to keep, so the
estimator gives 1 / alpha and the allocator turns it round again.

The reference's default places l_min at the peak of the spectrum's histogram; here it is its other
setting, the median, which needs no bins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, ClassVar

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


class Hill:
    """1 / alpha of every layer, in [0, 1); 0 for a spectrum without a tail (all values equal)."""

    name: ClassVar[str] = "hill"
    granularity: ClassVar[Granularity] = "layer"
    data_free: ClassVar[bool] = True

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for number, layer in enumerate(session.layers):
            session.progress(number, len(session.layers), layer.name)
            yield layer.name, heaviness(torch.linalg.svdvals(session.weight(layer).float()))


def heaviness(singular: Tensor) -> float:
    """1 / alpha of the Hill estimator, from a matrix's singular values (k,), in any order."""
    values = singular.double()
    # What rounding makes of an eigenvalue of zero is left out.
    noise = values.max() * len(values) * torch.finfo(singular.dtype).eps
    logs = 2 * values[values > noise].log().sort().values
    tail = logs[len(logs) // 2 :]
    above = float((tail - tail[0]).sum()) if len(tail) else 0.0
    return above / (above + len(tail)) if above else 0.0


@dataclass(frozen=True)
class Alpha:
    """Block sparsities linear in the block's mean alpha, where a layer's alpha is 1 / score."""

    name: ClassVar[str] = "alpha"
    granularity: ClassVar[Granularity] = "layer"

    spread: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The paper's tau: before scaling, sparsities go from 1 - spread to 1 + spread."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError("budget=alpha needs score=NAME, e.g. score=hill")
        by_block: dict[str, list[float]] = {}
        for group in scores.groups:
            [layer] = group.layers
            score = scores.total(group)
            if score <= 0:
                raise InfeasibleError(
                    f"budget=alpha: the score of {layer.name} is 0, its alpha is not finite"
                )
            by_block.setdefault(layer.group("block"), []).append(1 / score)
        alphas = {block: fmean(found) for block, found in by_block.items()}
        least, width = min(alphas.values()), max(alphas.values()) - min(alphas.values())
        factors = {
            block: 1 + self.spread * (2 * (alpha - least) / width - 1 if width else 0)
            for block, alpha in alphas.items()
        }
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


RECIPE = Recipe(
    name="alphapruning",
    paper="Lu et al., NeurIPS 2024 (arXiv:2410.10912), spread 0.3, with Wanda.",
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
