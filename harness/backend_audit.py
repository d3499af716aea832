"""Does another implementation give the same losses and the same texts?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.calibration import draw_calibration
from harness.errors import InputError
from harness.model import Model, load_model
from harness.plugin import Generates, Generation, Sample
from harness.plugin.manager import Plugins
from harness.spec import RunSpec

#: Two implementations in float32 add up in other orders.
TOLERANCE = 1e-4
GENERATIONS = {
    "greedy": Generation(max_new_tokens=10),
    "5 beams, short": Generation(num_beams=5, max_new_tokens=10, length_penalty=-1.0),
    "5 beams, long": Generation(num_beams=5, max_new_tokens=30, min_length=8),
}


@dataclass(frozen=True, kw_only=True)
class LossAudit:
    """Calibration losses of the same samples."""

    samples: int
    ours: float
    theirs: float
    """Means."""
    largest: float
    """Largest difference of one sample, in parts of its loss."""

    @property
    def is_equal(self) -> bool:
        return self.largest <= TOLERANCE


@dataclass(frozen=True, kw_only=True)
class TextAudit:
    """Texts that were generated in the same way."""

    generation: str
    samples: int
    different: tuple[tuple[str, str, str], ...]
    """(sample, our text, theirs)."""


@dataclass(frozen=True, kw_only=True)
class BackendAudit:
    """A family beside a backend, on the same weights and samples."""

    model: str
    backend: str
    losses: LossAudit
    texts: tuple[TextAudit, ...]

    @property
    def is_equal(self) -> bool:
        return self.losses.is_equal and not any(audit.different for audit in self.texts)


def audit_backend(spec: RunSpec, plugins: Plugins) -> BackendAudit:
    """Ask a family and a backend the same; the samples are those of calibration.

    Raises:
        InputError: The spec names no backend.
    """
    model = load_model(spec.model, plugins)
    if model.backend is None:
        raise InputError("an audit of a backend needs one; say --backend")
    cache = spec.cache.expanduser()
    samples = draw_calibration(spec.calibration, spec.seeds[0], model, plugins, cache).samples
    model.backend.take_weights()
    return BackendAudit(
        model=spec.model.name,
        backend=model.backend.label,
        losses=_audit_losses(model, samples, model.backend.losses(samples)),
        texts=tuple(
            _audit_texts(model, samples, name, generation, spec.batch_size)
            for name, generation in GENERATIONS.items()
        ),
    )


def _audit_losses(model: Model, samples: Sequence[Sample], theirs: Sequence[float]) -> LossAudit:
    with torch.no_grad():
        ours = [float(model.loaded.loss(model.loaded.collate([sample]))) for sample in samples]
    return LossAudit(
        samples=len(samples),
        ours=sum(ours) / len(ours),
        theirs=sum(theirs) / len(theirs),
        largest=max(abs(a - b) / abs(a) for a, b in zip(ours, theirs, strict=True)),
    )


def _audit_texts(
    model: Model, samples: Sequence[Sample], name: str, generation: Generation, size: int
) -> TextAudit:
    family, backend = model.loaded, model.backend
    assert isinstance(family, Generates)
    assert isinstance(backend, Generates)
    different = []
    with torch.no_grad():
        for start in range(0, len(samples), size):
            batch = samples[start : start + size]
            pairs = zip(
                batch,
                family.generate(batch, generation),
                backend.generate(batch, generation),
                strict=True,
            )
            different += [
                (sample.id, ours, theirs) for sample, ours, theirs in pairs if ours != theirs
            ]
    return TextAudit(generation=name, samples=len(samples), different=tuple(different))
