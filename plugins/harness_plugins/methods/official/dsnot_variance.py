"""DSnoT's variance within samples.

zyxxmu/DSnoT, lib/layerwrapper.py, add_batch: each calibration sample's own variance, in the mean
over samples; how far their means lie apart plays no part.
"""

from collections.abc import Set as AbstractSet
from typing import ClassVar

from torch import Tensor

from harness.plugin import LayerJob, LocalPruner, Statistic, hookimpl
from harness_plugins.methods.dsnot import DSnoT


class VarianceWithin:
    """Makes DSnoT divide by the variance within samples."""

    statistics: ClassVar[AbstractSet[Statistic]] = frozenset(
        {"input_mean", "input_var_within", "input_sq"}
    )

    def variance(self, job: LayerJob) -> Tensor:
        """(in,): of each input over the tokens of a sample, in the mean."""
        return job.stats.input_var_within


class DSnoTVarianceOfficial(VarianceWithin, DSnoT):
    """DSnoT with this quirk alone."""

    name: ClassVar[str] = "dsnot-variance-official"


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [DSnoTVarianceOfficial]
