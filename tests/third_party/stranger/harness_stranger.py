"""A stranger's method: sensitive layers keep more, and weights compete with their column."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from harness.plugin import (
    LayerInfo,
    LayerJob,
    LayerResult,
    Recipe,
    ScoreSession,
    ScoreTable,
    Target,
    apportion_evenly,
    hookimpl,
    keep_largest,
)


class Spread:
    name, granularity, data_free = "spread", "layer", True

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for layer in session.layers:
            yield layer.name, float(session.weight(layer).float().std())


@dataclass
class LastFirst:
    name, granularity = "last-first", "layer"
    head: float = 0.9

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        sizes = [layer.numel for layer in layers]
        floors = [
            max(target.min_keep[layer.name], int(layer.numel * (1 - self.head))) for layer in layers
        ]
        keep = apportion_evenly(target.keep, sizes, floors)
        return dict(zip((layer.name for layer in layers), keep, strict=True))


class ColumnNorm:
    name, statistics = "column-norm", frozenset({"input_sq"})

    def prune(self, job: LayerJob) -> LayerResult:
        scores = job.weight.abs() / job.weight.norm(dim=0).clamp_min(1e-9)
        scores = scores * job.stats.input_sq.sqrt()
        return LayerResult(
            keep=keep_largest(scores, job.keep_count, compare="row", pattern=job.pattern)
        )


RECIPE = Recipe(
    name="stranger",
    paper="none",
    score="spread",
    budget="last-first",
    local=("column-norm",),
    settings={"budget.head": 0.8},
)
harness_score_estimators = hookimpl(specname="harness_score_estimators")(lambda: [Spread])
harness_budget_allocators = hookimpl(specname="harness_budget_allocators")(lambda: [LastFirst])
harness_local_pruners = hookimpl(specname="harness_local_pruners")(lambda: [ColumnNorm])
harness_recipes = hookimpl(specname="harness_recipes")(lambda: [RECIPE])
