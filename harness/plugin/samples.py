"""What models are asked, by tasks and for calibration, and how their answers are scored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.plugin.image_digests import ImageDigests

#: What a model has to be able to do: the protocol that says so, see `harness.plugin.capabilities`,
#: or the name of one of the bundled ones.
Needs = (
    type
    | Literal[
        "generate", "classify", "perplexity", "embed", "match", "judge", "rank", "language-model"
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How text is generated; always without sampling."""

    num_beams: int = 1
    max_new_tokens: int = 10
    min_length: int = 0
    """Hugging Face's min_length: it counts the decoder's start token."""
    length_penalty: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A versioned definition of prompt, generation and metric: part of a score's identity."""

    name: str
    version: int = 1
    needs: tuple[Needs, ...] = ("generate",)
    """All that a model must be able to do; a protocol of the task's own is as good as a name."""
    family: str = ""
    """Model family that is asked this way; empty = any that has no profile of its own."""
    prompt: str = ""
    """``{}`` stands for the question."""
    generation: Generation = Generation()
    window: int | None = None
    """Tokens per window, for perplexity."""
    image_size: int | None = None
    """Side in pixels that images are prepared at; None = as the model's processor says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The part of an image that is shown; all lengths are fractions of the image's own."""

    left: float
    top: float
    width: float
    height: float
    flip: bool = False
    """Left and right change places."""

    def pixels(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in an image of that (width, height)."""
        across, down = size
        left, top = round(self.left * across), round(self.top * down)
        right, bottom = left + round(self.width * across), top + round(self.height * down)
        return left, top, right, bottom


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a model is given, and for calibration what it should have said."""

    id: str
    image: Path | None = None
    second_image: Path | None = None
    """Of a pair: the right one."""
    view: View | None = None
    """What is shown of the image; None = all of it."""
    prompt: str = ""
    target: str | int | None = None
    """Text to produce, or a class index."""
    tokens: tuple[int, ...] = ()
    """Token ids, for windows of running text."""

    @property
    def views(self) -> tuple[View, ...]:
        """The view, if there is one."""
        return () if self.view is None else (self.view,)

    def digest(self, shown: str = "") -> str:
        """Hash of the content: image, view, prompt, target, tokens; not the id or the path.

        Args:
            shown: Its `input_digest`, if that is known.
        """
        shown = shown or self.input_digest()
        content = repr((self.prompt, self.target, shown, *self.views))
        return hashlib.sha256(content.encode()).hexdigest()

    def input_digest(self, images: ImageDigests | None = None) -> str:
        """Hash of images or tokens: what calibration and evaluation must not share.

        Of a sample with neither it is the prompt's.

        Args:
            images: Knows what has been read before.

        Raises:
            DataError: An image is missing or cannot be read.
        """
        shown = tuple(image for image in (self.image, self.second_image) if image is not None)
        is_prompt = not self.tokens and self.image is None
        begin = (self.prompt if is_prompt else repr(self.tokens)).encode()
        if not shown:
            return hashlib.sha256(begin).hexdigest()
        return (images or ImageDigests()).of(begin, shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One evaluated item: what the model is given and what it is scored against."""

    sample: Sample
    references: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    """What the answer is chosen from, e.g. class names; one tuple for all examples."""
    label: str = ""
    """Breakdown this item counts in, e.g. its answer type or domain."""
    stratum: str = ""
    """Group that a subset holds its share of, e.g. its class; empty = the label."""
    cluster: str = ""
    """Items that share it are not independent (several questions on one image)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How a task's main score reads."""

    name: str
    unit: str = ""
    higher_is_better: bool = True
    scale: float = 1.0
    """Main score = transform(weighted mean of the per-sample scores) * scale."""
    transform: Literal["mean", "exp"] = "mean"
    is_correctness: bool = False
    """Whether a per-sample score says how right an answer is, in [0, 1]; then flips are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A task's verdict on all outputs, made in one go."""

    per_sample: Sequence[float]
    """In the order of the examples; their weighted mean, transformed, is the main score. Empty
    where that is undefined, and the metric's name in `absent`."""
    weights: Sequence[float] | None = None
    """E.g. tokens per window; None = all equal."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Further numbers, e.g. BLEU."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Metric -> why it could not be computed, or is not defined here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionInfo:
    """A folder in a task's official format, and what it may be called."""

    path: Path
    label: str
    """``mini``, ``full`` or ``folder``: rows of different labels never share a board."""
    version: str = ""
    """Of data that the edition makes itself, which it knows to be what the task usually reads."""
