"""Wanda's variant: rows lose the same share of their score instead of the same count.

Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models",
ICLR 2024 (arXiv:2306.11695). Reference: locuslab/wanda, lib/prune.py, ``--use_variant``. With the
scores S_ij = |W_ij| * ||X_j||_2 of a row sorted from small to large, those go whose cumulative sum
is at most alpha times the row's sum, with one alpha for all rows of a layer, and so rows differ.

Of a weight that sum is the least alpha that takes it, so the layer's count is met by removing the
weights whose sums are smallest; the largest of these is alpha. An n:m pattern has no alpha; there
it is Wanda.
"""

from collections.abc import Set as AbstractSet
from typing import ClassVar

import torch

from harness.plugin import (
    LayerJob,
    LayerResult,
    LocalPruner,
    Recipe,
    Statistic,
    hookimpl,
    keep_largest,
)


class WandaVariant:
    """Remove the smallest scores of every row up to one share of the row's sum."""

    name: ClassVar[str] = "wanda-variant"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"input_sq"})

    def prune(self, job: LayerJob) -> LayerResult:
        scores = job.weight.abs() * job.stats.input_sq.sqrt()
        if job.pattern is not None:
            keep = keep_largest(scores, job.keep_count, compare="row", pattern=job.pattern)
            return LayerResult(keep=keep)
        ascending, order = scores.sort(dim=1, stable=True)
        share = ascending.double().cumsum(dim=1)
        share /= share[:, -1:].clamp_min(torch.finfo(share.dtype).tiny)
        share = torch.empty_like(share).scatter_(1, order, share)
        keep = keep_largest(share, job.keep_count, compare="layer")
        gone = share[~keep]
        return LayerResult(keep=keep, notes={"alpha": float(gone.max()) if len(gone) else 0.0})


RECIPE = Recipe(
    name="wanda-variant",
    paper="Sun et al., ICLR 2024 (arXiv:2306.11695), rows lose an equal share of their score.",
    local=("wanda-variant",),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [WandaVariant]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [RECIPE]
