"""A stranger's pruners, each of which breaks its contract in one way."""

from typing import Any

import harness.plugin as hp


class Careless:
    """Magnitude, but for what the subclasses get wrong."""

    statistics: frozenset[hp.Statistic] = frozenset()
    data_free = True

    def keep(self, job: hp.LayerJob, pattern: hp.Pattern | None) -> Any:
        return hp.keep_largest(job.weight.abs(), job.keep_count, compare="row", pattern=pattern)

    def prune(self, job: hp.LayerJob) -> hp.LayerResult:
        return hp.LayerResult(keep=self.keep(job, job.pattern))


class ForgetsThePattern(Careless):
    name = "forgets-the-pattern"

    def prune(self, job: hp.LayerJob) -> hp.LayerResult:
        return hp.LayerResult(keep=self.keep(job, None))


class ChangesWeights(Careless):
    name = "changes-weights"

    def prune(self, job: hp.LayerJob) -> hp.LayerResult:
        return hp.LayerResult(keep=self.keep(job, job.pattern), weight=job.weight * 1.01)


class WritesInPlace(Careless):
    name = "writes-in-place"

    def prune(self, job: hp.LayerJob) -> hp.LayerResult:
        keep = self.keep(job, job.pattern)
        job.weight.mul_(keep)
        return hp.LayerResult(keep=keep)


class ReturnsNumpy(Careless):
    name = "returns-numpy"

    def prune(self, job: hp.LayerJob) -> hp.LayerResult:
        return hp.LayerResult(keep=self.keep(job, job.pattern).numpy())


class GivesNaN(Careless):
    name, changes_weights = "gives-nan", True

    def prune(self, job: hp.LayerJob) -> hp.LayerResult:
        return hp.LayerResult(keep=self.keep(job, job.pattern), weight=job.weight * float("nan"))


class Raises(Careless):
    name = "raises"

    def prune(self, job: hp.LayerJob) -> hp.LayerResult:
        raise ValueError("no such thing\nin two lines")


class Misspells(Careless):
    name, changes_weight = "misspells", True


class AsksForMore(Careless):
    name, statistics = "asks-for-more", frozenset({"input_squared"})  # type: ignore[arg-type]


@hp.hookimpl
def harness_local_pruners() -> list[Any]:
    return [
        ForgetsThePattern,
        ChangesWeights,
        WritesInPlace,
        ReturnsNumpy,
        GivesNaN,
        Raises,
        Misspells,
        AsksForMore,
    ]
