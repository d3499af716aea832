"""Wanda's variant as released: alpha is found by bisection, and the count is met only about.

locuslab/wanda, lib/prune.py, prune_wanda with ``--use_variant``. Bisection over [0, 0.8] from 0.4
stops where the layer's sparsity is within 0.001 of the asked one, or the interval shorter than
0.001; cumulative sums are float32, and what equals the last score that a row loses goes as well.
Where not even the smallest score of a row is within the share, the released code ends with an
index error; here that row keeps all.
"""

from collections.abc import Set as AbstractSet
from typing import ClassVar

from torch import Tensor

from harness.plugin import (
    LayerJob,
    LayerResult,
    LocalPruner,
    Recipe,
    Statistic,
    hookimpl,
    keep_largest,
)
from harness_plugins.methods.official.asked import asked_sparsity

START, MOST, TOLERANCE = 0.4, 0.8, 1e-3


class WandaVariantOfficial:
    """Remove the smallest scores of every row up to about one share of the row's sum."""

    name: ClassVar[str] = "wanda-variant-official"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"input_sq"})
    exact: ClassVar[bool] = False

    def prune(self, job: LayerJob) -> LayerResult:
        scores = job.weight.abs() * (job.stats.input_sq / job.stats.samples).sqrt()
        if job.pattern is not None:
            keep = keep_largest(scores, job.keep_count, compare="row", pattern=job.pattern)
            return LayerResult(keep=keep)
        wanted = asked_sparsity(scores.numel(), scores.numel() - job.keep_count)
        ascending = scores.sort(dim=1, stable=True).values
        alpha, low, high = START, 0.0, MOST
        while True:
            goes = _up_to_share(scores, ascending, alpha)
            sparsity = float(goes.sum() / goes.numel())
            if abs(sparsity - wanted) <= TOLERANCE or high - low < TOLERANCE:
                return LayerResult(keep=~goes, notes={"alpha": alpha})
            low, high = (low, alpha) if sparsity > wanted else (alpha, high)
            alpha = (low + high) / 2


def _up_to_share(scores: Tensor, ascending: Tensor, alpha: float) -> Tensor:
    """What goes at that alpha, bool (out, in)."""
    share = alpha * scores.sum(dim=1, keepdim=True)
    count = (ascending.cumsum(dim=1) <= share).sum(dim=1, keepdim=True)
    last = ascending.gather(1, (count - 1).clamp_min(0))
    return (scores <= last) & (count > 0)


WANDA_VARIANT_OFFICIAL = Recipe(
    name="wanda-variant-official",
    paper="Wanda's variant as released in locuslab/wanda (lib/prune.py, --use_variant), uniform.",
    local=("wanda-variant-official",),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [WandaVariantOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [WANDA_VARIANT_OFFICIAL]
