"""What a score estimator works with: the live model on one fixed calibration set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from harness.backward import gradients
from harness.calibration import CalibrationSet
from harness.errors import PartError
from harness.model import Model, weights_digest
from harness.plugin import Batch, LayerInfo, Statistic, Statistics, check_statistics
from harness.walk import TowerWalk

Progress = Callable[[int, int, str], None]
STATISTICS_BATCH = 16


class Session:
    """What an estimator may do to the model; `ScoreSession` says it in full.

    A loss under a perturbation starts at the perturbed block: the blocks before it are stood in
    for by what they gave for the same batch with clean weights, which is the very same tensor.
    """

    def __init__(
        self, model: Model, calibration: CalibrationSet | None, seed: int, progress: Progress
    ) -> None:
        self._model = model
        self._calibration = calibration
        self.rng = torch.Generator().manual_seed(seed)
        self.progress = progress
        self._blocks = model.blocks
        self._position = _block_positions(model)
        self._perturbed: list[tuple[LayerInfo, Tensor]] = []
        self._trace: tuple[Batch, list[Any]] | None = None

    @property
    def layers(self) -> Sequence[LayerInfo]:
        return self._model.layers

    def batches(self, samples: int | None = None, *, size: int = 1) -> Sequence[Batch]:
        if self._calibration is None:
            raise PartError("is data_free and asked for calibration batches")
        return self._calibration.batches(self._model, samples, size=size)

    def weight(self, layer: LayerInfo) -> Tensor:
        return self._model.weight(layer)

    def loss(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            if not self._perturbed:
                return self._model.loaded.loss(batch)
            outputs = self._clean_outputs(batch)
            first = min(self._position[layer.name] for layer, _ in self._perturbed)
            with _standing_in(self._blocks[:first], outputs):
                return self._model.loaded.loss(batch)

    @contextmanager
    def perturbed(self, layer: LayerInfo) -> Iterator[Tensor]:
        weight = self._model.weight(layer)
        self._perturbed.append((layer, weight.clone()))
        try:
            yield weight
        finally:
            _, saved = self._perturbed.pop()
            weight.copy_(saved)

    def gradients(self, batch: Batch) -> Iterator[tuple[LayerInfo, Tensor]]:
        return gradients(self._model, batch)

    def statistics(self, kinds: AbstractSet[Statistic]) -> Iterator[tuple[LayerInfo, Statistics]]:
        check_statistics(kinds)
        batches = self.batches(size=STATISTICS_BATCH)
        for tower in self._model.towers:
            if any(layer.tower == tower.name for layer in self.layers):
                for visit in TowerWalk(self._model, tower, batches):
                    of_block = visit.statistics(kinds)
                    yield from ((layer, of_block[layer.name]) for layer in visit.layers)

    def _clean_outputs(self, batch: Batch) -> list[Any]:
        """What every block returns for the batch without any perturbation; one batch is kept."""
        if self._trace is None or self._trace[0] is not batch:
            changed = [(self._model.weight(layer), saved) for layer, saved in self._perturbed]
            perturbed = [weight.clone() for weight, _ in changed]
            for weight, saved in changed:
                weight.copy_(saved)
            self._trace = (batch, _record_outputs(self._blocks, self._model, batch))
            for (weight, _), value in zip(changed, perturbed, strict=True):
                weight.copy_(value)
        return self._trace[1]


def _block_positions(model: Model) -> dict[str, int]:
    """Layer -> index of its block among the blocks of all towers."""
    starts, count = {}, 0
    for tower in model.towers:
        starts[tower.name] = count
        count += len(tower.blocks)
    return {layer.name: starts[layer.tower] + layer.block for layer in model.layers}


def _record_outputs(blocks: Sequence[nn.Module], model: Model, batch: Batch) -> list[Any]:
    outputs: dict[nn.Module, Any] = {}
    handles = [
        block.register_forward_hook(lambda module, _args, output: outputs.update({module: output}))
        for block in blocks
    ]
    try:
        model.loaded.loss(batch)
    finally:
        for handle in handles:
            handle.remove()
    return [outputs[block] for block in blocks]


@contextmanager
def _standing_in(blocks: Sequence[nn.Module], outputs: Sequence[Any]) -> Iterator[None]:
    """Make each block return its recorded output instead of computing it."""

    def always(output: Any) -> Any:
        return lambda *_args, **_kwargs: output

    try:
        for block, output in zip(blocks, outputs, strict=False):
            block.forward = always(output)
        yield
    finally:
        for block in blocks:
            vars(block).pop("forward", None)


@contextmanager
def left_as_found(model: Model) -> Iterator[None]:
    """Modes, requires_grad and RNG state are put back; changed weights are an error.

    Raises:
        PartError: A weight, or any other tensor of the model, is not what it was.
    """
    before = weights_digest(model.loaded.module)
    with state_restored(model):
        yield
    if weights_digest(model.loaded.module) != before:
        raise PartError(
            "left the model's weights changed; use session.perturbed, "
            "or write changes_weights = True on its class"
        )


@contextmanager
def state_restored(model: Model) -> Iterator[None]:
    """Everything but the weights is put back: modes, requires_grad and RNG state."""
    module = model.loaded.module
    modes = {part: part.training for part in module.modules()}
    wants_grad = {parameter: parameter.requires_grad for parameter in module.parameters()}
    rng_state = torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
        for parameter, wanted in wants_grad.items():
            parameter.requires_grad_(wanted)
        torch.set_rng_state(rng_state)
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)
