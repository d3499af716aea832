"""Training a pruned or a gated model on a train stream, never on the calibration set."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.asked import TrainIdentity
from harness.calibration import INPUT_DIGITS, read_source
from harness.contract import blamed, check_drawn
from harness.errors import InputError, RunError
from harness.masks import Masks
from harness.model import Model, out_in
from harness.plugin import Batch, ImageDigests, Sample, Training, UnitGroup
from harness.plugin.manager import Plugins
from harness.session import Progress, state_restored
from harness.spec import SourceSpec
from harness.structure import Structure, structure_of

WARMUP = 0.05
LARGEST_GRADIENT = 1.0

Shown = tuple[str, Sample]
"""A sample with the hash of what it shows."""


@dataclass(frozen=True)
class TrainStream:
    """Samples in a new random order every epoch."""

    source: str
    samples: Sequence[Sample]
    cache: Path | None = None
    """Where hashes of images are kept; None = nowhere."""

    @cached_property
    def _inputs(self) -> Sequence[str]:
        with ImageDigests(self.cache) as images:
            return [sample.input_digest(images) for sample in self.samples]

    @cached_property
    def identity(self) -> TrainIdentity:
        pairs = zip(self.samples, self._inputs, strict=True)
        digests = "".join(sample.digest(shown) for sample, shown in pairs)
        digest = hashlib.sha256(digests.encode()).hexdigest()
        return TrainIdentity(source=self.source, samples=len(self.samples), digest=digest)

    def batches(self, size: int, seed: int, excluded: AbstractSet[str]) -> Iterator[list[Shown]]:
        """Batches without end; samples that show what is `excluded` are passed over.

        Raises:
            InputError: There is not even one batch.
        """
        for epoch in count():
            order = list(range(len(self.samples)))
            random.Random(f"train {seed} {epoch}").shuffle(order)
            shown = ((self._inputs[index][:INPUT_DIGITS], self.samples[index]) for index in order)
            left = (pair for pair in shown if pair[0] not in excluded)
            whole = 0
            while len(batch := list(islice(left, size))) == size:
                whole += 1
                yield batch
            if not whole:
                raise InputError(
                    f"train source {self.source} holds fewer than {size} samples outside the "
                    f"calibration set, not even one batch"
                )


def open_train_stream(spec: SourceSpec, model: Model, plugins: Plugins, cache: Path) -> TrainStream:
    """The train stream of a run.

    Raises:
        InputError: No source is given or known, or the model cannot be trained as it is held.
    """
    if model.spec.dtype != "float32":
        raise InputError(f"training needs --dtype float32, not {model.spec.dtype}")
    own = getattr(model.bundled.given, "train", None) if model.bundled else None
    name, pool = read_source(spec, own, "train", model, plugins, cache)
    with blamed(f"train source {name}"):
        return TrainStream(name, list(check_drawn(pool.draw(range(pool.size)))), cache)


class TrainingSession:
    """`TrainSession` of the machine; gates and their hooks live as long as it is open."""

    def __init__(
        self,
        model: Model,
        stream: TrainStream,
        seed: int,
        progress: Progress,
        excluded: Sequence[str] = (),
    ) -> None:
        self._model, self._stream, self._progress = model, stream, progress
        self._seed, self._excluded = seed, set(excluded)
        self._batches: dict[int, Iterator[list[Shown]]] = {}
        self._gates: dict[str, Tensor] = {}
        self._hooks = ExitStack()
        self._keep: Masks = {}
        self.seen: set[str] = set()
        """Hashes of what was shown, as in a calibration set's `inputs`."""

    @cached_property
    def structure(self) -> Structure:
        return structure_of(self._model)

    @property
    def unit_groups(self) -> Sequence[UnitGroup]:
        return self.structure.groups

    def weights_per_unit(self, group: UnitGroup) -> int:
        return self.structure.weights_per_unit(group)

    def gate(self, group: UnitGroup) -> Tensor:
        if group.name not in self._gates:
            gate = torch.ones(group.units, device=self._model.device, requires_grad=True)
            self._gates[group.name] = gate
            for name, index in group.rows.items():
                module = self._model.loaded.module.get_submodule(name)
                self._hooks.enter_context(module.register_forward_hook(_scaling(gate, index)))
        return self._gates[group.name]

    def keep_zeros(self, masks: Masks) -> None:
        """Let training leave the masks' zeros alone from now on."""
        self._keep = {name: keep.to(self._model.device) for name, keep in masks.items()}

    def drop_gates(self) -> None:
        """Let every layer give what its own weights say again."""
        self._hooks.close()
        self._gates.clear()

    def train(self, training: Training) -> Iterator[float]:
        module = self._model.loaded.module
        parameters = list(module.parameters())
        optimizer = torch.optim.AdamW(
            parameters, lr=training.learning_rate, weight_decay=training.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, partial(warm_up_then_cosine, steps=training.steps)
        )
        for step in range(training.steps):
            optimizer.zero_grad()
            with torch.enable_grad():
                loss = self._model.loaded.loss(self._next_batch(training.batch_size))
            loss.backward()  # type: ignore[no-untyped-call]
            value = float(loss.detach())
            if not math.isfinite(value):
                raise RunError(f"training diverged: the loss of step {step + 1} is {value}")
            yield value
            self._clear_masked_gradients()
            nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            self._progress(step + 1, training.steps, f"loss {value:.3f}")

    def _next_batch(self, size: int) -> Batch:
        if size not in self._batches:
            self._batches[size] = self._stream.batches(size, self._seed, self._excluded)
        digests, samples = zip(*next(self._batches[size]), strict=True)
        self.seen.update(digests)
        return self._model.loaded.collate(samples)

    def _clear_masked_gradients(self) -> None:
        """Without gradients, AdamW's moments and decay of a zero stay zero: so does the weight."""
        for layer in self._model.layers if self._keep else ():
            module = self._model.module(layer)
            gradient = module.get_parameter("weight").grad
            if gradient is not None:
                view = out_in(module, gradient)
                view.masked_fill_(~self._keep[layer.name], 0)


@contextmanager
def training_session(
    model: Model,
    stream: TrainStream,
    seed: int,
    progress: Progress,
    excluded: Sequence[str] = (),
) -> Iterator[TrainingSession]:
    """A model in training mode; the weights stay as trained, all else is put back at the end."""
    session = TrainingSession(model, stream, seed, progress, excluded)
    with state_restored(model):
        torch.manual_seed(seed)
        model.loaded.module.train().requires_grad_(True)
        try:
            yield session
        finally:
            session.drop_gates()
            model.loaded.module.zero_grad()


def fine_tune(session: TrainingSession, training: Training, masks: Masks) -> float:
    """Train the weights that are left; zeros of the masks stay zero. Returns the last loss."""
    session.keep_zeros(masks)
    losses = list(session.train(training))
    return losses[-1]


def warm_up_then_cosine(step: int, *, steps: int) -> float:
    """Share of the learning rate at a step, from 0."""
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _scaling(gate: Tensor, index: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """A forward hook that multiplies every row's output by its unit's gate.

    Args:
        index: Rows of each unit, int64 (units, rows per unit); every row has one.
    """
    unit_of = torch.empty(index.numel(), dtype=torch.int64)
    unit_of[index.reshape(-1)] = torch.arange(len(index)).repeat_interleave(index.shape[1])
    unit_of = unit_of.to(gate.device)
    return lambda _module, _args, output: output * gate[unit_of]
