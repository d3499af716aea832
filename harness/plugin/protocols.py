"""What a plugin implements, one protocol per kind.

Classes that a hook returns carry ``name`` (how it is selected) and may be dataclasses: their
fields are the options that ``--pruner "score.eps=1e-2"`` sets and the record keeps. What else a
class says of itself are its tags (`harness.plugin.tags`): attributes of known names, to which what
the part does is held while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from harness.plugin.capabilities import LoadedModel
from harness.plugin.manifest import Manifest
from harness.plugin.means import Asker, ScoreSession, ScoreTable, TrainSession
from harness.plugin.pool import SamplePool
from harness.plugin.samples import (
    EditionInfo,
    Example,
    Metric,
    Profile,
    Sample,
    Scores,
)
from harness.plugin.text import Encode
from harness.plugin.values import (
    Granularity,
    LayerInfo,
    LayerJob,
    LayerResult,
    Statistic,
    Target,
    Training,
)

if TYPE_CHECKING:
    from torch import Tensor

    from harness.spec import ModelSpec


class ScoreEstimator(Protocol):
    """Weights and calibration data -> importance per weight, layer or block; higher = keep."""

    name: ClassVar[str]

    @property
    def granularity(self) -> Granularity:
        """What it scores; an attribute of the class, or an option."""
        ...

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        """Yield (layer name, scores (out, in)), (layer name, score) or (group name, score).

        Which one is told by `granularity`. Scores are finite; those per layer or group are not
        negative. Weights are left as they were found, unless `EstimatorTags.changes_weights`.
        """
        ...


class BudgetAllocator(Protocol):
    """Scores and a target -> how many weights each layer keeps."""

    name: ClassVar[str]

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        """Layer name -> keep count; ``target.keep`` in sum, ``target.min_keep`` respected.

        `scores` is None in a recipe without an estimator; else its groups are at the
        allocator's granularity (`AllocatorTags`).
        """
        ...


class LocalPruner(Protocol):
    """One layer, its input statistics and its budget -> a mask, and for some new weights."""

    name: ClassVar[str]
    statistics: ClassVar[AbstractSet[Statistic]]

    def prune(self, job: LayerJob) -> LayerResult:
        """Keep exactly ``job.keep_count`` weights, following ``job.pattern`` if there is one.

        The job is left alone. Weights that stay keep their values, and the count is met, unless
        the class says otherwise (`PrunerTags`). One pruner of a chain that asks for padding or
        for the first call asks for all.
        """
        ...


class Searcher(Protocol):
    """Owns a training loop and returns a structure."""

    name: ClassVar[str]

    @property
    def retraining(self) -> Training:
        """How the pruned structure is trained when the search is over."""
        ...

    def search(self, session: TrainSession, target: Target) -> Mapping[str, Tensor]:
        """Unit group -> bool (units,), True = the unit stays; every group keeps one.

        The weights that go are at most the target's, and as near to it as units allow.
        """
        ...


class ModelFamily(Protocol):
    """Loads one kind of model."""

    name: ClassVar[str]

    def matches(self, config: Mapping[str, Any]) -> bool:
        """Whether a ``config.json`` is of this family."""
        ...

    def load(self, folder: str, spec: ModelSpec) -> LoadedModel:
        """Read `folder` (a path or a hub id) onto the spec's device in its dtype."""
        ...


class Task(Protocol):
    """One benchmark: reads its official files, asks the model, scores the answers."""

    name: ClassVar[str]
    profiles: ClassVar[tuple[Profile, ...]]
    """In order of preference: unless one is named, the first that the model can serve."""
    manifest: ClassVar[Manifest]
    """Where the full data comes from and what the folder has to hold."""

    @property
    def metric(self) -> Metric:
        """How the main score reads; an attribute of the class, or of what follows the colon.

        A class with a text in ``argument`` is told what stands behind a colon in the task's name
        (``lm_eval:arc_easy``), as its one argument; the text says what that is.
        """
        ...

    def examples(self, folder: Path, profile: Profile, encode: Encode | None) -> Sequence[Example]:
        """Read the official files in `folder`.

        Args:
            encode: The model's tokenizer, for tasks that need perplexity; None = it has none.

        Raises:
            DataError: A file or a field is missing; it names file and row. Images need not be
                looked for: the machine names those that are missing.
        """
        ...

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        """One output per example, fit for JSON: it stands in the log, and `score` judges it."""
        ...

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        """Score all outputs together."""
        ...


@runtime_checkable
class BringsData(Protocol):
    """A task that goes without a folder: what no folder holds, its library has data for."""

    def names_in(self, folder: Path) -> Sequence[str]:
        """What may stand behind the colon of its name, of what the folder holds.

        All else is read from the task's own data, which count as ``full``.
        """
        ...


@runtime_checkable
class Varies(Protocol):
    """A task that reads different data from one layout."""

    def variant(self, folder: Path, profile: Profile) -> str:
        """What tells them apart, in a word for the column; empty = the usual data."""
        ...


class Edition(Protocol):
    """Puts a task's folder in the official format on disk."""

    name: ClassVar[str]

    def provide(self, task: str, cache: Path) -> EditionInfo | None:
        """The folder for that task, made under `cache` if need be; None = has no such task."""
        ...


class CalibrationSource(Protocol):
    """Where calibration samples come from."""

    name: ClassVar[str]

    def samples(
        self, path: Path | None, cache: Path, encode: Encode | None
    ) -> Sequence[Sample] | SamplePool:
        """All samples of the source, in a fixed order; the machine draws from them.

        What a sample holds never depends on which others are drawn. A source too large to be
        read at once returns a `SamplePool`.
        """
        ...


class BundledModel(Protocol):
    """A model that comes with a plugin and is selected by its name; some are sizes alone."""

    name: ClassVar[str]
    edition: ClassVar[str]
    """Edition its tasks run on unless another is asked for."""
    calibration: ClassVar[str]
    """Calibration source unless another is asked for; "" = none."""
    train: ClassVar[str]
    """Source of the train stream unless another is asked for; "" = none."""

    def folder(self) -> Path:
        """A folder that a family loads."""
        ...
