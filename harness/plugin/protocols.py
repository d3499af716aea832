"""What a plugin implements, one protocol per kind.

Classes that a hook returns carry ``name`` (how it is selected) and may be dataclasses: their
fields are the options that ``--pruner "score.eps=1e-2"`` sets and the record keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from harness.plugin.values import (
    Batch,
    EditionInfo,
    Example,
    Generation,
    Granularity,
    Group,
    LayerInfo,
    LayerJob,
    LayerResult,
    Metric,
    Profile,
    Sample,
    Scores,
    Statistic,
    Statistics,
    Target,
    Tower,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from harness.spec import ModelSpec

Needs = Literal["generate", "classify", "perplexity"]


class ScoreSession(Protocol):
    """The machine's side of scoring: one fixed calibration set, one model that is put back.

    Everything an estimator changes is restored bit for bit when scoring ends.
    """

    @property
    def layers(self) -> Sequence[LayerInfo]:
        """All prunable layers in forward order."""
        ...

    @property
    def rng(self) -> Generator:
        """CPU generator seeded from the spec."""
        ...

    def batches(self, samples: int | None = None, *, size: int = 1) -> Sequence[Batch]:
        """The first `samples` calibration samples (all by default) in batches of `size`."""
        ...

    def weight(self, layer: LayerInfo) -> Tensor:
        """The weight (out, in) in the model's dtype; read only."""
        ...

    def loss(self, batch: Batch) -> Tensor:
        """The model's calibration loss, () float32, mean over the batch."""
        ...

    def perturbed(self, layer: LayerInfo) -> AbstractContextManager[Tensor]:
        """The weight (out, in), writable in place inside the context, restored on exit.

        A loss inside it reuses what the blocks before the layer's gave for that batch, so call
        ``loss`` for one batch on many layers rather than on many batches for one layer.
        """
        ...

    def gradients(self, batch: Batch) -> Iterator[tuple[LayerInfo, Tensor]]:
        """Gradients of the loss (out, in), float32, each layer's once, last block first.

        They stream: a layer's gradient is made when its block is reached, and the block's
        activations are gone by then.
        """
        ...

    def statistics(self, kinds: AbstractSet[Statistic]) -> Iterator[tuple[LayerInfo, Statistics]]:
        """Input statistics of every layer of the dense model, in forward order."""
        ...

    def progress(self, done: int, total: int, label: str) -> None:
        """Tell the user how far a long loop is."""
        ...


class ScoreEstimator(Protocol):
    """Weights and calibration data -> importance per weight, layer or block; higher = keep."""

    name: ClassVar[str]

    @property
    def granularity(self) -> Granularity:
        """What it scores; an attribute of the class, or an option."""
        ...

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        """Yield (layer name, scores (out, in)), (layer name, score) or (group name, score).

        Which one is told by `granularity`. Scores are finite and not negative.
        """
        ...


class ScoreTable(Protocol):
    """Scores summed up for an allocator, at its own granularity."""

    @property
    def groups(self) -> Sequence[Group]:
        """All groups in forward order."""
        ...

    def total(self, group: Group) -> float:
        """Sum of the group's scores."""
        ...

    def mean(self, group: Group) -> float:
        """The total divided by the group's number of weights."""
        ...

    def count_largest(self, keep: int, layers: Sequence[LayerInfo]) -> dict[str, int]:
        """How many of the `keep` largest weight scores of these layers lie in each of them.

        Among equal scores those of earlier layers go first. The counts add up to `keep`, or to all
        weights where there are fewer.

        Raises:
            InputError: The estimator does not score every weight.
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
        allocator's ``granularity`` (attribute, ``block`` by default).
        """
        ...


class LocalPruner(Protocol):
    """One layer, its input statistics and its budget -> a mask, and for some new weights."""

    name: ClassVar[str]
    statistics: ClassVar[AbstractSet[Statistic]]

    def prune(self, job: LayerJob) -> LayerResult:
        """Keep exactly ``job.keep_count`` weights, following ``job.pattern`` if there is one.

        ``exact = False`` on the class says that the count may differ; it is then only reported.
        ``refines = True`` says that it works on the mask of the pruner before it.
        """
        ...


@runtime_checkable
class LoadedModel(Protocol):
    """A live model of some family."""

    module: nn.Module
    towers: Sequence[Tower]

    def prunable(self, name: str) -> bool:
        """Whether the linear layer of that full name, inside a block, may be pruned."""
        ...

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Tensors of samples with targets, on the model's device, for `loss`."""
        ...

    def loss(self, batch: Batch) -> Tensor:
        """Calibration loss (), float32, mean over the batch; no cache is used or filled."""
        ...

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """Tower name -> bool (batch, tokens), True = real; towers left out have no padding."""
        ...

    def files(self) -> Mapping[str, str]:
        """What besides weights makes the model: config, tokenizer, processor -> their text."""
        ...

    def save(self, folder: Path) -> None:
        """Write a folder that the family loads again."""
        ...


@runtime_checkable
class Generates(Protocol):
    """A model that answers in text."""

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]: ...


@runtime_checkable
class Classifies(Protocol):
    """A model that gives class logits (samples, classes)."""

    def classify(self, samples: Sequence[Sample]) -> Tensor: ...


@runtime_checkable
class Perplexity(Protocol):
    """A model that gives running text a likelihood."""

    def encode(self, text: str) -> list[int]:
        """Token ids without special tokens."""
        ...

    def token_losses(self, samples: Sequence[Sample]) -> list[float]:
        """Per sample, mean negative log-likelihood of its tokens after the first, in nats."""
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
    needs: ClassVar[Needs]
    metric: ClassVar[Metric]

    def profile(self, name: str | None) -> Profile:
        """The profile of that name, or the default one.

        Raises:
            UnknownNameError: There is no such profile.
        """
        ...

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        """Read the official files in `folder`.

        Args:
            encode: The model's tokenizer, for tasks that need perplexity.

        Raises:
            DataError: A file, a field or an image is missing; it names file and row.
        """
        ...

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        """Score all outputs together: texts, (class indices, best first) or mean losses."""
        ...

    def instructions(self) -> str:
        """Where to get the full data and what the folder has to hold."""
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
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Sample]:
        """All samples of the source, in a fixed order; the machine draws from them."""
        ...


class BundledModel(Protocol):
    """A trained model that comes with a plugin and is selected by its name."""

    name: ClassVar[str]
    edition: ClassVar[str]
    """Edition its tasks run on unless another is asked for."""
    calibration: ClassVar[str]
    """Calibration source unless another is asked for."""

    def folder(self) -> Path:
        """A folder that a family loads."""
        ...
