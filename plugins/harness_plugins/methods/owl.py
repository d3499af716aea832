"""OWL: blocks with more outliers among their Wanda scores keep more.

Yin et al., "Outlier Weighed Layerwise Sparsity (OWL): A Missing Secret Sauce for Pruning LLMs to
High Sparsity", ICML 2024 (arXiv:2310.05175). Reference: luuyin/OWL, lib/prune_all.py.

Outlier ratio of a block: the percentage of its scores |W_ij| ||X_j||_2, on the dense model, above
M times their mean. The ratios are scaled to [0, 2 lambda] and shifted so that the keep ratios
average 1 - p; every matrix of a block is pruned at its block's ratio.

Departure from the reference, which averages blocks whatever their size: here the average is over
weights, so that the total is met where blocks differ, as the towers of a VLM do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import (
    BudgetAllocator,
    Granularity,
    LayerInfo,
    PartError,
    Recipe,
    ScoreEstimator,
    ScoreSession,
    ScoreTable,
    Target,
    apportion_shifted,
    floor_of,
    hookimpl,
    split_evenly,
)


@dataclass(frozen=True)
class OutlierRatio:
    """Percentage of a block's Wanda scores above `times` their mean."""

    name: ClassVar[str] = "outlier-ratio"
    granularity: ClassVar[Granularity] = "block"

    times: Annotated[float, Field(gt=0)] = 5.0
    """The paper's M."""

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        by_block = groupby(session.statistics({"input_sq"}), lambda pair: pair[0].group("block"))
        for block, pairs in by_block:
            scores = torch.cat(
                [
                    (session.weight(layer).float().abs() * found.input_sq.sqrt()).reshape(-1)
                    for layer, found in pairs
                ]
            )
            yield block, 100 * float((scores > self.times * scores.mean()).float().mean())


@dataclass(frozen=True)
class OWL:
    """Keep ratios within 2 `spread` of each other, in the order of the scores."""

    name: ClassVar[str] = "owl"
    granularity: ClassVar[Granularity] = "block"

    spread: Annotated[float, Field(gt=0, lt=0.5)] = 0.08
    """The paper's lambda."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError("budget=owl needs score=NAME")
        groups = scores.groups
        sizes = [group.numel for group in groups]
        given = [scores.total(group) for group in groups]
        least, width = min(given), max(given) - min(given)
        scaled = [2 * self.spread * (score - least) / width if width else 0.0 for score in given]
        floors = [floor_of(group, target) for group in groups]
        keep = apportion_shifted(target, scaled, sizes=sizes, floors=floors)
        return split_evenly(groups, keep, target)


RECIPE = Recipe(
    name="owl",
    paper="Yin et al., ICML 2024 (arXiv:2310.05175), M = 5, lambda = 0.08, with Wanda.",
    score="outlier-ratio",
    budget="owl",
    local=("wanda",),
)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [OutlierRatio]


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [OWL]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [RECIPE]
