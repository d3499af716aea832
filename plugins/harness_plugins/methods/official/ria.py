"""RIA per layer with an inclusive threshold, and weights without a score kept.

biomedical-cybernetics/Relative-importance-and-activation-pruning, lib/prune.py, prune_ria: per
layer all scores up to the one at index int(n s) go, so one weight more than asked, and its ties. A
row or column of zeros has shares of 0 / 0, which sort behind all numbers: its weights stay.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from harness.plugin import LayerJob, LocalPruner, Recipe, hookimpl
from harness_plugins.methods.official.inclusive import keep_above_index
from harness_plugins.methods.ria import RIA


@dataclass(frozen=True)
class RIAOfficial(RIA):
    """RIA with these quirks."""

    name: ClassVar[str] = "ria-official"
    exact: ClassVar[bool] = False

    def scores(self, job: LayerJob) -> Tensor:
        size = job.weight.abs()
        has_none = (size.sum(dim=0, keepdim=True) == 0) | (size.sum(dim=1, keepdim=True) == 0)
        return super().scores(job).masked_fill(has_none, torch.finfo(size.dtype).max)

    def largest(self, scores: Tensor, job: LayerJob) -> Tensor:
        if job.pattern is None and self.compare == "layer":
            return keep_above_index(scores, job.info.numel - job.keep_count)
        return super().largest(scores, job)


RIA_OFFICIAL = Recipe(
    name="ria-official",
    paper="RIA as released in biomedical-cybernetics/Relative-importance-and-activation-pruning "
    "(lib/prune.py), per layer.",
    local=("ria-official",),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [RIAOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [RIA_OFFICIAL]
