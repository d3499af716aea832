"""Comparison groups of Wanda's image classifiers: query, key and value are one matrix.

locuslab/wanda, image_classifiers/prune_utils.py, compute_mask with the granularity ``layer``. timm
packs the three projections of attention, so that they share a threshold, the score at index
int(n p) counted from 0; what equals it goes as well, so one weight more than asked.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.plugin import (
    BudgetAllocator,
    Granularity,
    LayerInfo,
    PartError,
    ScoreTable,
    Target,
    hookimpl,
)

APART = {"q", "k", "v", "q_proj", "k_proj", "v_proj", "query", "key", "value"}


class FusedQKVOfficial:
    """Each matrix keeps what exceeds its threshold; projections that stand apart share one."""

    name: ClassVar[str] = "fused-qkv-official"
    granularity: ClassVar[Granularity] = "layer"
    exact: ClassVar[bool] = False

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError(f"budget={self.name} needs score=NAME that scores every weight")
        matrices: dict[tuple[str, str], list[LayerInfo]] = {}
        for layer in layers:
            inside, _, own = layer.role.rpartition(".")
            role = f"{inside}.qkv" if own in APART else layer.role
            matrices.setdefault((layer.group("block"), role), []).append(layer)
        keep: dict[str, int] = {}
        for members in matrices.values():
            numel = sum(layer.numel for layer in members)
            keep |= scores.count_above(int(numel * target.sparsity) + 1, members)
        return keep


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [FusedQKVOfficial]
