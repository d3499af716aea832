"""What a loaded model is, and what it may be able to do: one protocol per capability.

A family's model implements `LoadedModel` and those capabilities it has; tasks and searchers say
which ones they need. The list is open: a task may need what a protocol of its own says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from harness.plugin.samples import Generation, Sample
from harness.plugin.values import Batch, Tower, UnitGroup

if TYPE_CHECKING:
    from torch import Tensor, nn


@runtime_checkable
class LoadedModel(Protocol):
    """A live model of some family."""

    module: nn.Module
    towers: Sequence[Tower]

    def prunable(self, name: str) -> bool:
        """Whether the linear layer of that full name, inside a block, may be pruned.

        A matrix in a block that is no linear layer's is refused, unless this says no to its name.
        """
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
class CountsTokens(Protocol):
    """A model that knows how much its towers read."""

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        """Tower name -> tokens of a sample; towers left out read the text alone.

        Args:
            text: Tokens of its text.
            image: Width and height of its image, before it is prepared.
        """
        ...


@runtime_checkable
class Structured(Protocol):
    """A model that knows its units: heads' dimensions and hidden units of its prunable layers."""

    @property
    def unit_groups(self) -> Sequence[UnitGroup]: ...


@runtime_checkable
class Shrinks(Protocol):
    """A structured model that can do without its removed units."""

    def shrink(self, kept: Mapping[str, Tensor]) -> None:
        """Swap modules for smaller ones of the same names, whose weights are copies.

        Modules are swapped, not changed: the machine puts the old ones back.

        Args:
            kept: Unit group -> int64 positions of the units that stay, ascending.
        """
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
class NamesClasses(Protocol):
    """A classifier that knows what its logits stand for."""

    @property
    def class_names(self) -> Sequence[str]:
        """What the class of each logit is called; a number or ``LABEL_<number>`` is no name."""
        ...


@runtime_checkable
class Perplexity(Protocol):
    """A model that gives running text a likelihood."""

    @property
    def context(self) -> int:
        """Most tokens it was made to read at once."""
        ...

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of a text.

        Args:
            special: With the tokens that the tokenizer adds by itself (BOS, EOS), if it adds any.
        """
        ...

    def token_losses(self, samples: Sequence[Sample]) -> list[float]:
        """Per sample, mean negative log-likelihood of its tokens after the first, in nats."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A model that puts images and texts into one space."""

    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        """Features (samples, queries, dim), float32, of unit length.

        An image and a text are as alike as the largest dot product over the queries.
        """
        ...

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Features (texts, dim), float32, of unit length."""
        ...


@runtime_checkable
class Matches(Protocol):
    """A model that reads an image and a text together."""

    def match(self, samples: Sequence[Sample]) -> Tensor:
        """How well each prompt fits its image (samples,), float32; higher = better."""
        ...


@runtime_checkable
class Judges(Protocol):
    """A model that says whether a sentence is true of two images."""

    def judge(self, samples: Sequence[Sample]) -> list[bool]:
        """Verdict on each prompt; a sample shows ``image`` on the left, ``second_image`` right."""
        ...


@runtime_checkable
class Ranks(Protocol):
    """A model that answers a question with the likeliest of given answers."""

    def rank(self, samples: Sequence[Sample], answers: Sequence[str], *, tried: int) -> list[str]:
        """Best answer per sample.

        Args:
            answers: All that may be answered.
            tried: So many of them, those with the likeliest first tokens, are read to their end.
        """
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """A Hugging Face language model, causal or sequence to sequence, in ``module``."""

    tokenizer: Any


@runtime_checkable
class Resizes(Protocol):
    """A model that takes images of other sizes than its own."""

    def images_at(self, side: int) -> AbstractContextManager[None]:
        """Inside the context, images are prepared `side` pixels wide and high."""
        ...
