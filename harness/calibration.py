"""The calibration set: drawn once, so that every layer and every method sees the same data."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from harness.asked import CalibrationIdentity
from harness.composition import instantiate
from harness.contract import blamed, check_drawn, check_pool
from harness.errors import InputError
from harness.model import Model
from harness.plugin import Batch, CalibrationSource, ImageDigests, Sample, SamplePool
from harness.plugin.manager import Plugins
from harness.plugin.text import encode_of
from harness.spec import CalibrationSpec, RunSpec, SourceSpec
from harness.subsets import subset_indices

INPUT_DIGITS = 16


@dataclass(frozen=True)
class CalibrationSet:
    """Samples in the order they were drawn; methods that need fewer take the first ones."""

    source: str
    samples: Sequence[Sample]
    cache: Path | None = None
    """Where hashes of images are kept; None = nowhere."""

    @cached_property
    def digest(self) -> str:
        """Hash of all samples' content, in order."""
        pairs = zip(self.samples, self._shown, strict=True)
        digests = (sample.digest(shown) for sample, shown in pairs)
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """What is shown to the model, as short hashes: evaluation should show other things."""
        return tuple(shown[:INPUT_DIGITS] for shown in self._shown)

    @cached_property
    def _shown(self) -> tuple[str, ...]:
        with ImageDigests(self.cache) as images:
            return tuple(sample.input_digest(images) for sample in self.samples)

    @property
    def window(self) -> int | None:
        """Tokens of its longest window of running text; None = it holds none."""
        return max((len(sample.tokens) for sample in self.samples), default=0) or None

    @property
    def identity(self) -> CalibrationIdentity:
        return CalibrationIdentity(
            source=self.source, samples=len(self.samples), digest=self.digest
        )

    def batches(self, model: Model, samples: int | None = None, *, size: int) -> list[Batch]:
        """The first `samples` as tensors on the model's device, `size` to a batch.

        Raises:
            InputError: The set has fewer samples.
        """
        count = len(self.samples) if samples is None else samples
        if count > len(self.samples):
            raise InputError(
                f"calibration set {self.source} has {len(self.samples)} samples, {count} are needed"
            )
        return [
            model.loaded.collate(self.samples[start : min(start + size, count)])
            for start in range(0, count, size)
        ]


def draw_calibration(
    spec: CalibrationSpec, seed: int, model: Model, plugins: Plugins, cache: Path
) -> CalibrationSet:
    """Draw ``spec.samples`` samples from the source, without replacement, with that seed.

    Raises:
        InputError: No source is given or known, it has too few samples, or its windows are longer
            than what the model reads.
    """
    own = model.bundled.given.calibration if model.bundled else None
    name, pool = read_source(spec, own, "calibration", model, plugins, cache)
    order = list(range(pool.size))
    random.Random(f"calibration {seed}").shuffle(order)
    with blamed(f"calibration source {name}"):
        drawn = list(islice(check_drawn(pool.draw(order)), spec.samples))
    if len(drawn) < spec.samples:
        raise InputError(
            f"calibration source {name} holds {len(drawn)} samples, {spec.samples} are asked for"
        )
    calibration = CalibrationSet(name, drawn, cache)
    if encode := encode_of(model.loaded):
        encode.window(calibration.window)
    return calibration


def check_sources(spec: RunSpec, plugins: Plugins) -> None:
    """Refuse unknown sources and wrong options of those that are named, before a model is loaded.

    Raises:
        InputError: There is no such source or option, or it is of the wrong type.
    """
    for asked in (spec.calibration, spec.train):
        if asked.source is not None:
            make_source(asked.source, asked, plugins)


def make_source(name: str, spec: SourceSpec, plugins: Plugins) -> CalibrationSource:
    """The source of that name with its options.

    Raises:
        UnknownNameError: There is no such source, or it has no such option.
        InputError: An option is missing or of the wrong type.
    """
    beside = [key for key in type(spec).model_fields if key not in ("source", "path", "options")]
    return instantiate(plugins.calibration_sources.get(name), spec.options, beside)


def read_source(
    spec: SourceSpec, own: str | None, what: str, model: Model, plugins: Plugins, cache: Path
) -> tuple[str, SamplePool]:
    """The asked part of a source, with the source's name.

    Args:
        own: Name of the model's own source, if it has one.
        what: The option that names a source: ``calibration`` or ``train``.

    Raises:
        InputError: No source is given or known.
    """
    name = spec.source or own
    if not name:
        sources = ", ".join(provider.name for provider in plugins.calibration_sources)
        raise InputError(
            f"model {model.spec.name} has no {what} source of its own; "
            f"say --{what} SOURCE[=PATH] with one of {sources}"
        )
    provider = plugins.calibration_sources.get(name)
    source = make_source(name, spec, plugins)
    encode = encode_of(model.loaded)
    with blamed(f"calibration source {name} of {provider.origin}"):
        pool = check_pool(source.samples(spec.path, cache, encode))
    if spec.subset is None:
        return name, pool
    return name, pool.take(subset_indices(pool.ids, pool.strata, spec.subset))
