"""Wanda's variant: rows lose the same share of their score instead of the same count.

Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models",
ICLR 2024 (arXiv:2306.11695). Reference: locuslab/wanda, lib/prune.py, ``--use_variant``. With the
scores S_ij = |W_ij| * ||X_j||_2 of a row sorted from small to large, those go whose cumulative sum
is at most alpha times the row's sum. One alpha for all rows is found by bisection over [0, 0.8]
from 0.4, until the layer's sparsity is within 0.001 of its own or the interval is shorter than
0.001. So rows differ, and the count is met only about.

Departure from the reference, which also removes what equals a row's last removed score: among
equal scores the lower index goes first. An n:m pattern has no alpha; there it is Wanda.
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

START, MOST, TOLERANCE = 0.4, 0.8, 1e-3


class WandaVariant:
    """Remove the smallest scores of every row up to one share of the row's sum."""

    name: ClassVar[str] = "wanda-variant"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"input_sq"})
    exact: ClassVar[bool] = False

    def prune(self, job: LayerJob) -> LayerResult:
        scores = job.weight.abs() * job.stats.input_sq.sqrt()
        if job.pattern is not None:
            keep = keep_largest(scores, job.keep_count, compare="row", pattern=job.pattern)
            return LayerResult(keep=keep)
        ascending, order = scores.sort(dim=1, stable=True)
        share = ascending.double().cumsum(dim=1)
        share /= share[:, -1:].clamp_min(torch.finfo(share.dtype).tiny)
        wanted = 1 - job.keep_count / scores.numel()
        alpha, low, high = START, 0.0, MOST
        while True:
            goes = share <= alpha
            sparsity = float(goes.double().mean())
            if abs(sparsity - wanted) <= TOLERANCE or high - low < TOLERANCE:
                break
            low, high = (low, alpha) if sparsity > wanted else (alpha, high)
            alpha = (low + high) / 2
        return LayerResult(
            keep=torch.empty_like(goes).scatter_(1, order, ~goes), notes={"alpha": alpha}
        )


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
