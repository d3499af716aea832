"""What the machine gives to estimators, allocators, searchers and tasks to work with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from harness.plugin.samples import Generation, Sample
from harness.plugin.values import (
    Batch,
    Group,
    LayerInfo,
    Statistic,
    Statistics,
    Training,
    UnitGroup,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from harness.plugin.capabilities import LoadedModel

T = TypeVar("T")


class ScoreSession(Protocol):
    """The machine's side of scoring: one fixed calibration set, one model that is put back.

    Everything an estimator changes is restored bit for bit when scoring ends, but for the weights
    of one that says ``changes_weights``.
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

    def count_above(self, rank: int, layers: Sequence[LayerInfo]) -> dict[str, int]:
        """How many weight scores of each of these layers exceed their `rank`-th smallest of all.

        Of equal scores either all count or none. Rank 0 is below all scores.

        Raises:
            InputError: The estimator does not score every weight.
        """
        ...


class TrainSession(Protocol):
    """The machine's side of a search: a model in training on a train stream.

    The stream never holds a sample of the calibration set. What the search does to the weights
    stays, as part of the method.
    """

    @property
    def unit_groups(self) -> Sequence[UnitGroup]:
        """All units that may go, in forward order."""
        ...

    def weights_per_unit(self, group: UnitGroup) -> int:
        """Prunable weights that go with one unit of the group."""
        ...

    def gate(self, group: UnitGroup) -> Tensor:
        """Factors (units,) of what the group's rows give, ones at first; write to ``.data``.

        A loss's gradient adds up in ``.grad``. It is never cleared, and no step trains a gate.
        """
        ...

    def train(self, training: Training) -> Iterator[float]:
        """Train the weights; yields each loss after its backward pass, before the weights move."""
        ...


class Asker(Protocol):
    """The machine's side of an evaluation: asks in batches, and goes on where a killed run stopped.

    Outputs come in the order of what is asked, whatever the batches were.
    """

    @property
    def model(self) -> LoadedModel:
        """The live model; it can do what the profile needs."""
        ...

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]: ...

    def classify(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Up to five classes per sample, best first; equal logits: the lower index first."""
        ...

    def token_losses(self, samples: Sequence[Sample]) -> list[float]: ...

    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        """Features (samples, queries, dim), float32, of unit length, on the CPU."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Features (texts, dim), float32, of unit length, on the CPU."""
        ...

    def match(self, samples: Sequence[Sample]) -> list[float]:
        """How well each prompt fits its image; higher = better."""
        ...

    def judge(self, samples: Sequence[Sample]) -> list[bool]:
        """Whether each prompt is true of its two images."""
        ...

    def rank(self, samples: Sequence[Sample], answers: Sequence[str], *, tried: int) -> list[str]:
        """The likeliest of the answers per sample, of so many that begin likeliest."""
        ...

    def in_batches(
        self,
        stage: str,
        items: Sequence[T],
        ask: Callable[[Sequence[T]], Sequence[Any]],
        key: Callable[[T], Any],
    ) -> list[Any]:
        """Ask anything else: what the methods above are made of.

        Args:
            stage: Name of the question; one name, one list of items.
            ask: Takes a batch, gives one output fit for JSON per item.
            key: Items are asked in its order, as `sorted` would have it; what is alike shares a
                batch.
        """
        ...
