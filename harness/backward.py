"""Gradients block by block: one block's activations and one block's gradients live at a time.

The forward pass is cut at the border of every block: a block runs without a graph and hands on
leaves, so that all that stays is its inputs (checkpoints) and the graph of what lies between
blocks (embeddings, norms, projections, the loss). The backward pass takes the blocks in reverse,
runs each again with a graph, and drops it when its layers' gradients have been taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harness.model import Model, out_in
from harness.plugin import Batch, LayerInfo
from harness.walk import leaves, map_leaves


@dataclass(frozen=True, slots=True)
class _Run:
    """One block's call: its inputs, cut off from what made them, and its outputs as leaves."""

    block: nn.Module
    args: Any
    kwargs: Any
    inputs: list[tuple[Tensor, Tensor]]
    """(tensor outside, its stand-in inside)."""
    outputs: list[tuple[tuple[Any, ...], Tensor]]
    """(where in the output, leaf handed on)."""


class _Tape:
    """The cut forward pass, and the gradients that have come back so far."""

    def __init__(self) -> None:
        self.runs: list[_Run] = []
        # By id of the tensor outside; a run that reads it keeps it alive.
        self._readers: Counter[int] = Counter()
        self._arrived: dict[int, Tensor] = {}

    def run(self, block: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand in for a block's forward pass."""
        stand_ins: dict[int, tuple[Tensor, Tensor]] = {}

        def cut(leaf: Any, _: tuple[Any, ...]) -> Any:
            if not (isinstance(leaf, Tensor) and leaf.requires_grad):
                return leaf
            if id(leaf) not in stand_ins:
                stand_ins[id(leaf)] = (leaf, leaf.detach().requires_grad_(True))
            return stand_ins[id(leaf)][1]

        args, kwargs = map_leaves((args, kwargs), cut)
        outside = {id(inside): original for original, inside in stand_ins.values()}
        outputs: list[tuple[tuple[Any, ...], Tensor]] = []

        def hand_on(leaf: Any, path: tuple[Any, ...]) -> Any:
            if not (isinstance(leaf, Tensor) and leaf.is_floating_point()):
                return leaf
            if id(leaf) in outside:  # passed through as it is
                return outside[id(leaf)]
            outputs.append((path, leaf.detach().requires_grad_(True)))
            return outputs[-1][1]

        with torch.no_grad():
            output = forward(*args, **kwargs)
        handed = map_leaves(output, hand_on)
        self._readers.update(stand_ins.keys())
        self.runs.append(_Run(block, args, kwargs, list(stand_ins.values()), outputs))
        return handed

    def give_back(self, run: _Run, gradients: list[Tensor | None]) -> None:
        """Add up what a block says of its inputs; pass it on where all readers have spoken."""
        for (original, _), gradient in zip(run.inputs, gradients, strict=True):
            key = id(original)
            self._readers[key] -= 1
            if gradient is not None:
                before = self._arrived.get(key)
                self._arrived[key] = gradient if before is None else before + gradient
            if self._readers[key] == 0 and key in self._arrived:
                # Graphs between blocks may share parts.
                torch.autograd.backward(original, self._arrived.pop(key), retain_graph=True)


def gradients(model: Model, batch: Batch) -> Iterator[tuple[LayerInfo, Tensor]]:
    """Gradients of the loss, float32 (out, in), from the last layer's block to the first's.

    A layer that the loss does not depend on has a gradient of zeros.
    """
    tape = _Tape()
    with torch.enable_grad(), _cut(model, tape):
        loss = model.loaded.loss(batch)
        torch.autograd.backward(loss)
    of_block = {
        block: model.layers_of(tower.name, index)
        for tower in model.towers
        for index, (_, block) in enumerate(tower.blocks)
    }
    while tape.runs:
        run = tape.runs.pop()
        layers = of_block[run.block]
        weights, inputs = _differentiate(model, run, layers)
        tape.give_back(run, inputs)
        del run, inputs
        for layer in layers:
            gradient = weights.pop(0)
            yield layer, out_in(model.module(layer), gradient).float()


def _differentiate(
    model: Model, run: _Run, layers: Sequence[LayerInfo]
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Run a block again, with a graph: gradients of its layers' weights and of its inputs."""
    weights = [model.module(layer).get_parameter("weight") for layer in layers]
    wanted = [*weights, *(inside for _, inside in run.inputs)]
    found: Sequence[Tensor | None] = [None] * len(wanted)
    for weight in weights:
        weight.requires_grad_(True)
    try:
        with torch.enable_grad():
            made = {path: leaf for leaf, path in leaves(run.block(*run.args, **run.kwargs))}
        # T5's first block hands on a position bias that depends on none of its layers.
        reached = [
            (made[path], leaf.grad)
            for path, leaf in run.outputs
            if leaf.grad is not None and made[path].requires_grad
        ]
        if reached:
            outputs, arrived = zip(*reached, strict=True)
            found = torch.autograd.grad(outputs, wanted, arrived, allow_unused=True)
    finally:
        for weight in weights:
            weight.requires_grad_(False)
    own = [
        torch.zeros_like(weight) if gradient is None else gradient
        for weight, gradient in zip(weights, found, strict=False)
    ]
    return own, list(found[len(weights) :])


@contextmanager
def _cut(model: Model, tape: _Tape) -> Iterator[None]:
    """Make every block of every tower run through the tape."""
    try:
        for block in model.blocks:
            block.forward = partial(tape.run, block, block.forward)
        yield
    finally:
        for block in model.blocks:
            vars(block).pop("forward", None)
