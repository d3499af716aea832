"""What is asked of a run: read from the command line or a YAML file, kept in every record."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import InputError
from harness.told import refuse_unwritable_words
from harness.wording import explain

MOST = 2**31 - 1
"""Of anything that is counted: far above what there is, and what every library can count to."""
Count = Annotated[int, Field(gt=0, le=MOST)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(min_length=1)]
Setting = bool | int | float | str
DType = Literal["float32", "bfloat16", "float16"]


NO_QUOTES = re.compile(r"[^\s'\"\\]+")
S = TypeVar("S", bound=BaseModel)


def _is_share(value: float) -> float:
    if 0 <= value < 1:
        return value
    needed = "a number below 1" if value >= 1 else "at least 0"
    percent = f", {value / 100:g} for {value:g} %" if 1 < value < 100 else ""
    raise ValueError(
        f"{needed} is needed, not {value!r}; sparsity is a share between 0 and 1{percent}"
    )


Sparsity = Annotated[float, AfterValidator(_is_share)]


class Spec(BaseModel):
    """Base: frozen, an unknown key is an error, and numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Side = Annotated[int, Field(gt=0, le=2**14)]
"""Pixels."""
Deviation = Annotated[float, Field(gt=0)]


class ImageSpec(Spec):
    """How a photograph becomes pixels, for models that ship no image processor.

    The short side is resized bicubically, then a square is cut from the centre.
    """

    short: Side
    crop: Side
    mean: tuple[float, float, float]
    std: tuple[Deviation, Deviation, Deviation]

    @model_validator(mode="after")
    def _cuts_from_it(self) -> Self:
        if self.crop > self.short:
            raise ValueError(f"crop={self.crop} does not fit into short={self.short}")
        return self


class BackendSpec(Spec):
    """Another implementation that answers for the model when it is evaluated."""

    name: Name
    environment: Path
    """Where the backend's own environment lies."""


class ModelSpec(Spec):
    """Which model, and how it is held."""

    name: Name
    """Name of a bundled model, a folder, or a hub id that is in the local cache."""
    device: str = "cpu"
    dtype: DType = "float32"
    attention: Literal["auto", "sdpa", "eager"] = "auto"
    """Attention implementation; auto = the best that the architecture supports."""
    images: ImageSpec | None = None
    """Instead of the processor that the model's folder ships."""
    backend: BackendSpec | None = None
    """None = the model's family answers itself."""
    init: Literal["pretrained", "random"] = "pretrained"
    """Whether weights are read, or drawn at random for the folder's config."""
    ignore_tensors: tuple[str, ...] = ()
    """Patterns (``v_head.*``) of names of tensors in its files that the model does without."""
    dense: str | None = None
    """Of a folder of masks: the model they are applied to, instead of the one it names."""


class PrunerSpec(Spec):
    """A recipe by name, a free composition, or a recipe with changes."""

    recipe: Name | None = None
    score: Name | None = None
    budget: Name | None = None
    local: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    search: Name | None = None
    p_max: Sparsity | None = None
    """Cap on the sparsity of every layer, instead of the recipe's own."""
    settings: Mapping[str, Setting] = {}
    """``<kind>.<option>`` -> value, kind one of score, budget, local, search."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.recipe is None and self.local is None and self.search is None:
            raise ValueError("a pruner is a recipe's name or at least local=NAME or search=NAME")
        if self.search and (self.score or self.budget or self.local):
            raise ValueError(f"search={self.search} stands alone, without score, budget and local")
        return self

    @property
    def label(self) -> str:
        """The notation it is written in; equal specs have equal labels."""
        words = [self.recipe] if self.recipe else []
        words += [f"score={self.score}"] if self.score else []
        words += [f"budget={self.budget}"] if self.budget else []
        words += [f"local={'+'.join(self.local)}"] if self.local else []
        words += [f"search={self.search}"] if self.search else []
        words += [f"p_max={self.p_max:g}"] if self.p_max is not None else []
        words += [f"{key}={_word(value)}" for key, value in sorted(self.settings.items())]
        return " ".join(words)


def _word(value: Setting) -> str:
    """A setting's value as the notation has it: what holds a blank or a quote stands in quotes."""
    is_plain = not isinstance(value, str) or NO_QUOTES.fullmatch(value)
    return str(value) if is_plain else shlex.quote(str(value))


class SubsetSpec(Spec):
    """A slice of the items in a fixed, hashed order that holds every stratum's share.

    See `harness.subsets`. Smaller slices lie inside larger ones.
    """

    start: int = Field(default=0, ge=0, le=MOST)
    stop: Count | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"{self.start}:{self.stop} holds nothing; N:M is from N up to M")
        return self

    def __str__(self) -> str:
        """The notation, e.g. ``@5k``, ``@128:`` or ``@128:512``."""
        stop = "" if self.stop is None else _thousands(self.stop)
        return f"@{_thousands(self.start)}:{stop}" if self.start or not stop else f"@{stop}"


def _thousands(number: int) -> str:
    return f"{number // 1000}k" if number and number % 1000 == 0 else str(number)


class SourceSpec(Spec):
    """Where samples with targets come from."""

    source: Name | None = None
    """None = the model's own; an error for models that have none."""
    path: Path | None = None
    subset: SubsetSpec | None = None
    """Draw from this slice only, so that the rest can be evaluated."""
    options: Mapping[str, Setting] = {}
    """The source's own options."""


class CalibrationSpec(SourceSpec):
    """Where the calibration set is drawn from, and how large it is."""

    samples: Count = 128


class FinetuneSpec(Spec):
    """Training after pruning in which zeros stay zero; see `harness.plugin.Training`."""

    steps: Count
    lr: float = Field(default=1e-4, gt=0)
    batch_size: Count = 16
    weight_decay: float = Field(default=0.0, ge=0)

    @property
    def label(self) -> str:
        """``finetune steps=200 lr=0.0001``: what stands behind a row's name."""
        changed = self.model_dump(exclude_defaults=True)
        return " ".join(["finetune", *(f"{key}={value:g}" for key, value in changed.items())])


class GenerationSpec(Spec):
    """Changes to a profile's generation."""

    num_beams: Count | None = None
    max_new_tokens: Count | None = None
    min_length: int | None = Field(default=None, ge=0, le=MOST)
    length_penalty: float | None = None


class TaskSpec(Spec):
    """Which task, which part of it, and how the model is asked."""

    name: Name
    profile: Name | None = None
    subset: SubsetSpec | None = None
    limit: Count | None = None
    """The first so many items in file order."""
    prompt: str | None = None
    """Instead of the profile's; ``{}`` stands for the question."""
    generation: GenerationSpec | None = None
    image_size: Side | None = None
    """Side in pixels that images are prepared at, instead of the profile's."""


class DataSpec(Spec):
    """Where tasks find their folders."""

    edition: str | None = None
    """Name of an edition; None = ``mini`` for bundled models and ``full`` for others."""
    root: Path | None = None
    """A folder with one folder per task."""
    folders: Mapping[str, Path] = {}
    """Task -> its folder; goes before the rest."""


class PatternSpec(Spec):
    """n:m sparsity: `keep` of every `of` consecutive inputs stay."""

    keep: Count
    of: int = Field(gt=1, le=MOST)

    @model_validator(mode="after")
    def _prunes_something(self) -> Self:
        if self.keep >= self.of:
            raise ValueError(f"{self.keep}:{self.of} keeps everything; n must be below m")
        return self


class RunSpec(Spec):
    """A grid: every pruner at every sparsity with every seed, on every task."""

    model: ModelSpec
    pruners: tuple[PrunerSpec, ...] = Field(min_length=1)
    sparsities: tuple[Sparsity, ...] = Field(default=(0.5,), min_length=1)
    seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1)
    tasks: tuple[TaskSpec, ...] = ()
    pattern: PatternSpec | None = None
    calibration: CalibrationSpec = CalibrationSpec()
    train: SourceSpec = SourceSpec()
    """Where searchers and fine-tuning get their train stream."""
    finetune: FinetuneSpec | None = None
    data: DataSpec = DataSpec()
    batch_size: Count = 32
    results: Path = Path("results")
    cache: Path = Path("~/.cache/harness")
    """Where editions are made and looked for."""

    @model_validator(mode="after")
    def _pattern_fixes_sparsity(self) -> Self:
        if self.pattern is not None:
            fixed = 1 - self.pattern.keep / self.pattern.of
            if any(sparsity != fixed for sparsity in self.sparsities):
                raise ValueError(
                    f"pattern {self.pattern.keep}:{self.pattern.of} means sparsity {fixed:g}, "
                    f"not {', '.join(f'{sparsity:g}' for sparsity in self.sparsities)}"
                )
        return self


def parse_spec(content: object, called: Mapping[str, str] | None = None) -> RunSpec:
    """Check the content of a YAML file or the command line.

    Args:
        called: Place in the content, e.g. ``model.name`` -> what people know it as.

    Raises:
        InputError: The first thing wrong, with its place, the value seen and what would be right.
    """
    return checked(RunSpec, content, called)


def checked(kind: type[S], content: object, called: Mapping[str, str] | None = None) -> S:
    """Make a part of a spec; as `parse_spec`."""
    refuse_unwritable_words(_texts(content))
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(explain(error, kind, called)) from None


def _texts(content: object) -> Iterator[str]:
    """All texts of nested mappings and lists, keys too."""
    if isinstance(content, str | Path):
        yield str(content)
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from (*_texts(key), *_texts(value))
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(value)
