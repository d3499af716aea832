"""2:4 weights as torch's semi-structured tensors, for GPUs with sparse tensor cores.

torch's classes are prototypes: which of them packs a weight (CUTLASS or cuSPARSELt) depends on the
build, so a folder is for the machine that wrote it, and is only written where it can be measured.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import linear

from harness.errors import CheckpointError, InputError
from harness.model import Model

#: Half of the multiplications are left.
THEORETICAL = 2.0
WARM_UPS, REPEATS = 5, 20
WEIGHTS = "semi_structured.safetensors"
Clock = Callable[[Callable[[], object]], float]
"""Milliseconds that a call takes."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """All layers of one shape: one multiplication, milliseconds, median of `REPEATS`."""

    shape: tuple[int, int]
    layers: int
    tokens: int
    dense: float
    sparse: float
    theoretical: float = THEORETICAL

    @property
    def measured(self) -> float:
        """How many times faster than dense; below 1 = slower."""
        return self.dense / self.sparse


def refuse_cpu(device: str) -> None:
    """Weights are packed and multiplied on CUDA alone.

    Raises:
        InputError: `device` is another.
    """
    if torch.device(device).type != "cuda":
        raise InputError(
            f"--to 2:4 packs and measures weights on a GPU with sparse tensor cores, not on "
            f"{device}; nothing was measured and nothing written"
        )


def refuse_other_patterns(model: Model) -> None:
    """Of every four consecutive inputs of a row, two at most may stay.

    Raises:
        CheckpointError: A layer has more; it is named.
    """
    for layer in model.layers:
        weight = model.weight(layer)
        rows, columns = layer.shape
        most = 4 if columns % 4 else int((weight != 0).reshape(rows, -1, 4).sum(dim=2).max())
        if most > 2:
            raise CheckpointError(
                f"{layer.name} {layer.shape} is not 2:4: {most} of four inputs stay; "
                f"prune with --pattern 2:4"
            )


def write_packed(folder: Path, model: Model) -> None:
    """Write the weights of all prunable layers as torch packs them."""
    tensors: dict[str, Tensor] = {}
    how: dict[str, str] = {}
    for layer in model.layers:
        packed = pack_2_of_4(model.weight(layer))
        names, context = packed.__tensor_flatten__()
        tensors |= {f"{layer.name}/{name}": getattr(packed, name).cpu() for name in names}
        how[layer.name] = json.dumps([type(packed).__name__, *context])
    save_file(tensors, folder / WEIGHTS, metadata=how)


def attach(folder: Path, module: nn.Module) -> None:
    """Put the packed weights of a folder into a model that was loaded from it, on its device."""
    device = next(module.parameters()).device
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        for layer, how in file.metadata().items():
            kind, shape, *context = json.loads(how)
            inner = {
                name.rpartition("/")[2]: file.get_tensor(name).to(device)
                for name in file.keys()  # noqa: SIM118 - not a mapping
                if name.rpartition("/")[0] == layer
            }
            size = torch.Size(shape)
            packed = getattr(torch.sparse, kind).__tensor_unflatten__(
                inner, (size, *context), size, None
            )
            module.get_submodule(layer).weight = nn.Parameter(packed, requires_grad=False)


def pack_2_of_4(weight: Tensor) -> Any:
    """A weight as torch's semi-structured tensor; on CUDA alone."""
    return torch.sparse.to_sparse_semi_structured(weight.contiguous())


def measure(model: Model, tokens: int, clock: Clock) -> list[Speed]:
    """Time one multiplication by a layer of every shape, dense and 2:4."""
    counts = Counter(layer.shape for layer in model.layers)
    first = {layer.shape: layer for layer in reversed(model.layers)}
    speeds = []
    for shape, layers in counts.items():
        weight = model.weight(first[shape])
        inputs = torch.randn(tokens, shape[1], dtype=weight.dtype, device=weight.device)
        packed = pack_2_of_4(weight)
        speeds.append(
            Speed(
                shape=shape,
                layers=layers,
                tokens=tokens,
                dense=clock(partial(linear, inputs, weight)),
                sparse=clock(partial(linear, inputs, packed)),
            )
        )
    return speeds


def on_gpu(call: Callable[[], object]) -> float:
    """Milliseconds of a call on the current GPU, by its own events."""
    taken = []
    for _ in range(WARM_UPS + REPEATS):
        event: Any = torch.cuda.Event
        start, end = event(enable_timing=True), event(enable_timing=True)
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        taken.append(float(start.elapsed_time(end)))
    return median(taken[WARM_UPS:])
