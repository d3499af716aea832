"""RIA: a weight counts by its share of its row and of its column, times its input's norm.

Zhang, Bai, Lin, Zhao, Hou, Cannistraci, "Plug-and-Play: An Efficient Post-training Pruning Method
for Large Language Models", ICLR 2024, eq. 3 and 4:

    RIA_ij = ( |W_ij| / sum_k |W_kj| + |W_ij| / sum_k |W_ik| ) * ||X_j||_2 ^ a,   a = 0.5,

compared over the layer. A magnitude alone prunes whole channels of small weights ("channel
corruption"); relative to its channel, every channel keeps some. The permutation of channels for
n:m, which needs the inputs permuted as well, is not here.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from harness.plugin import (
    Compare,
    LayerJob,
    LayerResult,
    LocalPruner,
    Recipe,
    Statistic,
    hookimpl,
    keep_largest,
)


@dataclass(frozen=True)
class RIA:
    """Keep the largest relative importances."""

    name: ClassVar[str] = "ria"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"input_sq"})

    compare: Compare = "layer"
    exponent: Annotated[float, Field(ge=0)] = 0.5

    def prune(self, job: LayerJob) -> LayerResult:
        size = job.weight.abs()
        tiny = torch.finfo(size.dtype).tiny  # a row or column of zeros has shares of zero
        by_column = size / size.sum(dim=0, keepdim=True).clamp_min(tiny)
        by_row = size / size.sum(dim=1, keepdim=True).clamp_min(tiny)
        scores = (by_column + by_row) * job.stats.input_sq.sqrt() ** self.exponent
        return LayerResult(
            keep=keep_largest(scores, job.keep_count, compare=self.compare, pattern=job.pattern)
        )


RECIPE = Recipe(
    name="ria",
    paper="Zhang et al., ICLR 2024 (Plug-and-Play), a = 0.5, per layer.",
    local=("ria",),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [RIA]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [RECIPE]
