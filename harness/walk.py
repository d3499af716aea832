"""The block walk: one tower's blocks in order, each on the inputs its predecessors now give.

One forward pass of the whole model per batch captures what every block of the tower is called
with, all positional and keyword arguments of its own call. An argument that some earlier block
of the tower returned is remembered as a link to that output; everything else (masks, rotary
tables, another tower's states) is kept as it is. A replay then runs the blocks alone: links are
resolved to what the blocks, pruned by then, return.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harness.activations import InputStatistics, SharedTokens, collecting_hook
from harness.errors import RunError
from harness.model import Model
from harness.plugin import Batch, Statistic, Statistics, Tower


@dataclass(frozen=True, slots=True)
class Link:
    """Stands for an output of an earlier block of the same tower."""

    block: int
    path: tuple[Any, ...]


@dataclass(slots=True)
class Call:
    """How one block is called for one batch; tensors of earlier blocks are links."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(slots=True)
class BatchTrace:
    """All calls of a tower for one batch, and the outputs that later calls link to."""

    samples: int
    calls: list[Call]
    masks: Mapping[str, Tensor]
    outputs: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a walk departs from what the blocks do in the model, for methods that were published so.

    `LocalPruner.prune` says what each means.
    """

    counts_padding: bool = False
    replays_first_call: bool = False


class BlockVisit:
    """One block of the walk; statistics are of the inputs it gets now."""

    def __init__(self, walk: TowerWalk, index: int) -> None:
        self._walk = walk
        self.index = index
        self.layers = walk.model.layers_of(walk.tower.name, index)

    def statistics(self, kinds: AbstractSet[Statistic]) -> dict[str, Statistics]:
        """Run the block on every batch and sum up the inputs of its prunable layers, by name."""
        collectors = [InputStatistics(layer, kinds) for layer in self.layers] if kinds else []
        for number in range(len(self._walk.traces) if kinds else 0):
            self._walk.replay(self.index, number, collectors)
        samples = sum(trace.samples for trace in self._walk.traces)
        return {collector.layer.name: collector.finish(samples) for collector in collectors}


class TowerWalk:
    """Captures a tower once and visits its blocks in forward order."""

    def __init__(
        self, model: Model, tower: Tower, batches: Sequence[Batch], rules: Rules | None = None
    ) -> None:
        self.model = model
        self.tower = tower
        with torch.no_grad():
            self.traces = [_capture(model, tower, batch) for batch in batches]
        for trace in self.traces:
            if rules is not None and rules.counts_padding:
                trace.masks = {}
            if rules is not None and rules.replays_first_call:
                trace.calls = [trace.calls[0], *_like_first(trace.calls)]

    def __iter__(self) -> Iterator[BlockVisit]:
        """Yield each block; when the caller comes back, its outputs are made anew."""
        for index in range(len(self.tower.blocks)):
            yield BlockVisit(self, index)
            for number in range(len(self.traces)):
                self.advance(index, number)

    def replay(self, index: int, number: int, collectors: Sequence[InputStatistics] = ()) -> Any:
        """Run block `index` alone on batch `number`; returns what the block returns."""
        trace = self.traces[number]
        call = trace.calls[index]
        args = map_leaves(call.args, lambda leaf, _: _resolve(leaf, trace))
        kwargs = map_leaves(call.kwargs, lambda leaf, _: _resolve(leaf, trace))
        name, block = self.tower.blocks[index]
        before = _versions((args, kwargs))
        shared: SharedTokens = {}
        with torch.no_grad(), ExitStack() as stack:
            for collector in collectors:
                hook = collecting_hook(collector, trace.masks, shared, number, trace.samples)
                module = self.model.module(collector.layer)
                stack.enter_context(module.register_forward_pre_hook(hook))
            output = block(*args, **kwargs)
        if _versions((args, kwargs)) != before:
            raise RunError(f"block {name} writes to its own arguments; it cannot be replayed")
        return output

    def advance(self, index: int, number: int) -> None:
        """Replay and keep the output for the links of later blocks; drop what none needs."""
        trace = self.traces[number]
        trace.outputs[index] = self.replay(index, number)
        later = trace.calls[index + 1 :]
        needed = {leaf.block for call in later for leaf in _links((call.args, call.kwargs))}
        trace.outputs = {block: out for block, out in trace.outputs.items() if block in needed}
        trace.calls[index] = Call((), {})


def _capture(model: Model, tower: Tower, batch: Batch) -> BatchTrace:
    """One forward pass of the model that records the calls of the tower's blocks."""
    recorder = _Recorder(tower)
    with ExitStack() as stack:
        for index, (_, block) in enumerate(tower.blocks):
            before, after = partial(recorder.before, index), partial(recorder.after, index)
            stack.enter_context(block.register_forward_pre_hook(before, with_kwargs=True))
            stack.enter_context(block.register_forward_hook(after))
        model.loaded.loss(batch)
    if len(recorder.calls) != len(tower.blocks):
        raise RunError(
            f"tower {tower.name}: {len(recorder.calls)} of {len(tower.blocks)} blocks ran in a "
            f"forward pass"
        )
    samples = next(iter(batch.values())).shape[0]
    return BatchTrace(samples=samples, calls=recorder.calls, masks=model.loaded.token_masks(batch))


class _Recorder:
    """The hooks of one capture."""

    def __init__(self, tower: Tower) -> None:
        self._tower = tower
        self.calls: list[Call] = []
        self._made_by: dict[int, Link] = {}
        self._alive: list[Any] = []  # an id is unique only while its tensor lives

    def before(self, index: int, _: nn.Module, args: Any, kwargs: Any) -> None:
        name = self._tower.blocks[index][0]
        if len(self.calls) != index:
            raise RunError(f"block {name} does not run once and in order")
        linked = map_leaves(
            (args, kwargs), lambda leaf, path: _to_link(leaf, path, self._made_by, name)
        )
        if index and not _links(linked):
            raise RunError(
                f"block {name} gets nothing from the blocks before it in tower "
                f"{self._tower.name}; something between them changes their output"
            )
        self.calls.append(Call(*linked))

    def after(self, index: int, _: nn.Module, __: Any, output: Any) -> None:
        self._alive.append(output)
        for leaf, path in leaves(output):
            if isinstance(leaf, Tensor):
                self._made_by[id(leaf)] = Link(index, path)


def _like_first(calls: Sequence[Call]) -> Iterator[Call]:
    """Every later call as the first one, but for the hidden states of the block before it.

    Hidden states are the first thing that a block returns.
    """
    given = {path: leaf for leaf, path in leaves((calls[0].args, calls[0].kwargs))}
    for index, call in enumerate(calls[1:]):
        hidden = {
            path: leaf
            for leaf, path in leaves((call.args, call.kwargs))
            if isinstance(leaf, Link) and leaf.block == index and leaf.path in {(), (0,)}
        }
        if not hidden or hidden.keys() - given.keys():
            raise RunError(f"block {index + 1} takes its hidden states otherwise than block 0")
        yield Call(
            *map_leaves(
                (calls[0].args, calls[0].kwargs),
                lambda leaf, path, hidden=hidden: hidden.get(path, leaf),
            )
        )


def _to_link(leaf: Any, path: tuple[Any, ...], made_by: Mapping[int, Link], where: str) -> Any:
    if isinstance(leaf, Tensor):
        return made_by.get(id(leaf), leaf)
    if leaf is None or isinstance(leaf, bool | int | float | str | torch.dtype | torch.device):
        return leaf
    raise RunError(
        f"block {where} is called with a {type(leaf).__name__} ({'.'.join(map(str, path))}) that "
        f"it could change, such as a cache; its family has to run the model without one"
    )


def _resolve(leaf: Any, trace: BatchTrace) -> Any:
    if not isinstance(leaf, Link):
        return leaf
    value = trace.outputs[leaf.block]
    for step in leaf.path:
        value = value[step]
    return value


def map_leaves(tree: Any, change: Any, path: tuple[Any, ...] = ()) -> Any:
    """Rebuild nested tuples, lists and dicts with ``change(leaf, path)`` for every leaf."""
    if isinstance(tree, dict):
        return {key: map_leaves(value, change, (*path, key)) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        items = [map_leaves(value, change, (*path, i)) for i, value in enumerate(tree)]
        return items if isinstance(tree, list) else tuple(items)
    return change(tree, path)


def leaves(tree: Any) -> list[tuple[Any, tuple[Any, ...]]]:
    """All (leaf, path) of nested tuples, lists and dicts."""
    found: list[tuple[Any, tuple[Any, ...]]] = []
    map_leaves(tree, lambda leaf, path: found.append((leaf, path)))
    return found


def _versions(tree: Any) -> list[int]:
    """How often each tensor was written to in place."""
    tensors = (leaf for leaf, _ in leaves(tree) if isinstance(leaf, Tensor))
    return [tensor._version for tensor in tensors]  # noqa: SLF001 - torch has no other way


def _links(tree: Any) -> list[Link]:
    return [leaf for leaf, _ in leaves(tree) if isinstance(leaf, Link)]
