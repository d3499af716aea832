"""Does another implementation give the same losses and the same texts?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from harness.calibration import draw_calibration
from harness.errors import InputError
from harness.model import Model, load_model
from harness.plugin import Generates, Generation, Judges, Sample
from harness.plugin.manager import Plugins
from harness.spec import RunSpec

Say = Callable[[Sequence[Sample]], list[str]]
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
    """Texts that were generated in the same way, or verdicts."""

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
            _audit_texts(samples, name, ours, theirs, spec.batch_size)
            for name, ours, theirs in _ways_to_say(model)
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


def _ways_to_say(model: Model) -> Iterator[tuple[str, Say, Say]]:
    """How the family and the backend can both be asked for texts, or for verdicts."""
    family, backend = model.loaded, model.backend
    if isinstance(family, Generates) and isinstance(backend, Generates):
        for name, generation in GENERATIONS.items():
            yield (
                name,
                partial(family.generate, generation=generation),
                partial(backend.generate, generation=generation),
            )
    if isinstance(family, Judges) and isinstance(backend, Judges):
        yield "verdicts", partial(_verdicts, family), partial(_verdicts, backend)


def _verdicts(judge: Judges, samples: Sequence[Sample]) -> list[str]:
    return [str(verdict) for verdict in judge.judge(samples)]


@torch.no_grad()
def _audit_texts(
    samples: Sequence[Sample], name: str, ours: Say, theirs: Say, size: int
) -> TextAudit:
    different = []
    for start in range(0, len(samples), size):
        batch = samples[start : start + size]
        triples = zip(batch, ours(batch), theirs(batch), strict=True)
        different += [(sample.id, one, other) for sample, one, other in triples if one != other]
    return TextAudit(generation=name, samples=len(samples), different=tuple(different))
