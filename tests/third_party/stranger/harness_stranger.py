"""A stranger's method: sensitive layers keep more, and weights compete with their column."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

import harness.plugin as hp


class Spread:
    name, granularity, data_free = "spread", "layer", True

    def score(self, session: hp.ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        for layer in session.layers:
            yield layer.name, float(session.weight(layer).float().std())


@dataclass
class LastFirst:
    name, granularity = "last-first", "layer"
    head: float = 0.9

    def allocate(
        self, scores: hp.ScoreTable | None, layers: Sequence[hp.LayerInfo], target: hp.Target
    ) -> Mapping[str, int]:
        floors = [max(target.min_keep[x.name], int(x.numel * (1 - self.head))) for x in layers]
        keep = hp.apportion_evenly(target.keep, [x.numel for x in layers], floors)
        return {layer.name: count for layer, count in zip(layers, keep, strict=True)}


class ColumnNorm:
    name, statistics = "column-norm", frozenset({"input_sq"})

    def prune(self, job: hp.LayerJob) -> hp.LayerResult:
        scores = job.weight.abs() / job.weight.norm(dim=0).clamp_min(1e-9)
        scores = scores * job.stats.input_sq.sqrt()
        keep = hp.keep_largest(scores, job.keep_count, compare="row", pattern=job.pattern)
        return hp.LayerResult(keep=keep)


RECIPE = hp.Recipe(
    name="stranger",
    paper="none",
    score="spread",
    budget="last-first",
    local=("column-norm",),
    settings={"budget.head": 0.8},
)
harness_score_estimators = hp.hookimpl(specname="harness_score_estimators")(lambda: [Spread])
harness_budget_allocators = hp.hookimpl(specname="harness_budget_allocators")(lambda: [LastFirst])
harness_local_pruners = hp.hookimpl(specname="harness_local_pruners")(lambda: [ColumnNorm])
harness_recipes = hp.hookimpl(specname="harness_recipes")(lambda: [RECIPE])
