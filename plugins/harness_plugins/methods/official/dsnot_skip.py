"""DSnoT that leaves MLPs as they are.

zyxxmu/DSnoT, main.py: ``--skip_layer`` is ``mlp`` unless told otherwise, and prune_DSnoT leaves the
first mask to all layers whose name within their block starts so.
"""

from dataclasses import dataclass
from typing import ClassVar

from harness.plugin import LayerJob, LayerResult, LocalPruner, hookimpl
from harness_plugins.methods.dsnot import DSnoT


@dataclass(frozen=True)
class Skips(DSnoT):
    """Makes DSnoT leave out the layers of one part of a block."""

    skip: str = "mlp"
    """First part of their name within the block, e.g. ``self_attn``; "" = no layer."""

    def prune(self, job: LayerJob) -> LayerResult:
        if job.info.role.partition(".")[0] == self.skip:
            assert job.keep is not None
            return LayerResult(keep=job.keep)
        return super().prune(job)


@dataclass(frozen=True)
class DSnoTSkipOfficial(Skips):
    """DSnoT with this quirk alone."""

    name: ClassVar[str] = "dsnot-skip-official"


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [DSnoTSkipOfficial]
