"""RIA: a weight counts by its share of its row and of its column, times its input's norm.

Zhang, Bai, Lin, Zhao, Hou, Cannistraci, "Plug-and-Play: An Efficient Post-training Pruning Method
for Large Language Models", ICLR 2024, eq. 3 and 4:

    RIA_ij = ( |W_ij| / sum_k |W_kj| + |W_ij| / sum_k |W_ik| ) * ||X_j||_2 ^ a,   a = 0.5,

compared over the layer, as in the reference (biomedical-cybernetics/
Relative-importance-and-activation-pruning, lib/prune.py) without ``--per_outneuron``. A magnitude
alone prunes whole channels of small weights ("channel corruption"); relative to its channel, every
channel keeps some.

With n:m, ``permute`` chooses which inputs make up a group, as ``--reallocation`` and ``--lsa`` do.
Masks and weights stay in the order of the model's own inputs, so that a folder loads as ever; but
n:m then holds over permuted inputs alone, and hardware that wants groups of neighbours has to be
given the inputs permuted.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import (
    Compare,
    LayerJob,
    LayerResult,
    LocalPruner,
    PartError,
    Recipe,
    Statistic,
    hookimpl,
    keep_largest,
)
from harness_plugins.channel_permutation import assigned, reallocated


@dataclass(frozen=True)
class RIA:
    """Keep the largest relative importances."""

    name: ClassVar[str] = "ria"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"input_sq"})

    compare: Compare = "layer"
    exponent: Annotated[float, Field(ge=0)] = 0.5
    permute: Literal["none", "reallocation", "lsa"] = "none"
    """Of n:m alone: groups of neighbouring inputs, of inputs dealt out by their summed scores, or
    of these after linear sum assignment (lsa), which needs scipy."""

    def prune(self, job: LayerJob) -> LayerResult:
        scores = self.scores(job)
        if self.permute != "none":
            return self._permuted(scores, job)
        return LayerResult(keep=self.largest(scores, job))

    def scores(self, job: LayerJob) -> Tensor:
        """Relative importance times activation of every weight (out, in)."""
        size = job.weight.abs()
        tiny = torch.finfo(size.dtype).tiny  # a row or column of zeros has shares of zero
        by_column = size / size.sum(dim=0, keepdim=True).clamp_min(tiny)
        by_row = size / size.sum(dim=1, keepdim=True).clamp_min(tiny)
        return (by_column + by_row) * job.stats.input_sq.sqrt() ** self.exponent

    def largest(self, scores: Tensor, job: LayerJob) -> Tensor:
        """The mask of the largest scores."""
        return keep_largest(scores, job.keep_count, compare=self.compare, pattern=job.pattern)

    def _permuted(self, scores: Tensor, job: LayerJob) -> LayerResult:
        """n:m over inputs in another order; the mask in the model's own."""
        if job.pattern is None:
            raise PartError(f"permute={self.permute} chooses the groups of n:m; give --pattern")
        order = reallocated(scores, job.pattern)
        if self.permute == "lsa":
            order = assigned(scores, order, job.pattern)
        keep = torch.empty_like(scores, dtype=torch.bool)
        keep[:, order] = self.largest(scores[:, order], job)
        return LayerResult(keep=keep, permutation=order)


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
