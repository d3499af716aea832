"""The fine stage: walk the blocks and let the local pruners fill each layer's budget."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from harness.budget import Budget
from harness.calibration import CalibrationSet
from harness.composition import Composition, changes_weights
from harness.errors import PartError
from harness.heap import trim
from harness.masks import PackedMasks
from harness.model import Model
from harness.plugin import LayerInfo, LayerJob, LayerResult, LocalPruner, Pattern, Statistics
from harness.session import Progress
from harness.walk import Rules, TowerWalk

BATCH = 16


@dataclass
class Pruned:
    """What pruning did to the live model."""

    masks: MutableMapping[str, Tensor] = field(default_factory=PackedMasks)
    """Layer -> bool (out, in) on the CPU."""
    updated: set[str] = field(default_factory=set)
    """Layers whose remaining weights may differ from the dense ones."""
    notes: dict[str, dict[str, float]] = field(default_factory=dict)
    zeros_of_dense: int = 0
    units: dict[str, int] = field(default_factory=dict)
    """Unit group -> units that stay, where structure was pruned."""
    trained_on: tuple[str, ...] = ()
    """Hashes of what the train stream gave; then every parameter may have changed."""


@dataclass(frozen=True, kw_only=True)
class Fine:
    """Everything the fine stage needs besides the model."""

    composition: Composition
    budget: Budget
    pattern: Pattern | None
    scores: Mapping[str, Tensor]
    seed: int
    before: Mapping[str, Tensor] = field(default_factory=dict)
    """Masks of the round before."""


def prune(
    model: Model, fine: Fine, calibration: CalibrationSet | None, progress: Progress
) -> Pruned:
    """Prune the live model in place, tower by tower in forward order.

    Statistics of a layer are of the inputs it gets when all blocks before its own are pruned.

    Raises:
        PartError: A pruner returned a wrong shape or a wrong count.
    """
    pruned = Pruned()
    if changes_weights(fine.composition.estimator):
        pruned.updated.update(layer.name for layer in model.layers)
    kinds = frozenset().union(*(pruner.statistics for pruner in fine.composition.pruners))
    if not kinds:
        for layer in model.layers:
            _prune_layer(model, layer, _no_statistics(layer), fine, pruned)
            progress(len(pruned.masks), len(model.layers), layer.name)
        return pruned
    assert calibration is not None
    batches = calibration.batches(model, size=BATCH)
    rules = _rules(fine.composition.pruners)
    for tower in model.towers:
        if not any(layer.tower == tower.name for layer in model.layers):
            continue
        for visit in TowerWalk(model, tower, batches, rules):
            statistics = visit.statistics(kinds)
            for layer in visit.layers:
                _prune_layer(model, layer, statistics[layer.name], fine, pruned)
                progress(len(pruned.masks), len(model.layers), layer.name)
    return pruned


def _rules(pruners: Sequence[LocalPruner]) -> Rules:
    return Rules(
        counts_padding=any(getattr(i, "counts_padding", False) for i in pruners),
        replays_first_call=any(getattr(i, "replays_first_call", False) for i in pruners),
    )


def _no_statistics(layer: LayerInfo) -> Statistics:
    return Statistics(layer=layer.name, samples=0, tokens=0, values={})


def _prune_layer(
    model: Model, layer: LayerInfo, statistics: Statistics, fine: Fine, pruned: Pruned
) -> None:
    """Run the chain of pruners on one layer and write the outcome into the model."""
    live = model.weight(layer)
    result = run_chain(
        fine.composition.pruners,
        LayerJob(
            info=layer,
            weight=live.to(torch.float32, copy=True),
            keep_count=fine.budget.keep[layer.name],
            pattern=fine.pattern,
            stats=statistics,
            scores=_on(live.device, fine.scores.get(layer.name)),
            keep=_on(live.device, fine.before.get(layer.name)),
            rng=torch.Generator().manual_seed(_layer_seed(fine.seed, layer)),
        ),
    )
    if result.weight is not None:
        live.copy_(result.weight)
        pruned.updated.add(layer.name)
    pruned.zeros_of_dense += int(((live == 0) & result.keep).sum())
    live.masked_fill_(~result.keep, 0)
    pruned.masks[layer.name] = result.keep.cpu()
    if result.notes:
        pruned.notes[layer.name] = dict(result.notes)
    del result
    trim()


def run_chain(pruners: Sequence[LocalPruner], job: LayerJob) -> LayerResult:
    """Each pruner gets the mask and weight of the one before it.

    Raises:
        PartError: A mask or weight of the wrong shape, type or count.
    """
    keep, weight = job.keep, job.weight
    notes: dict[str, float] = {}
    changed = False
    for pruner in pruners:
        result = pruner.prune(
            LayerJob(
                info=job.info,
                weight=weight,
                keep_count=job.keep_count,
                pattern=job.pattern,
                stats=job.stats,
                scores=job.scores,
                keep=keep,
                rng=job.rng,
            )
        )
        _check(result, pruner, job)
        keep = result.keep
        notes.update(result.notes)
        if result.weight is not None:
            weight, changed = result.weight, True
    assert keep is not None
    return LayerResult(keep=keep, weight=weight if changed else None, notes=notes)


def _check(result: LayerResult, pruner: LocalPruner, job: LayerJob) -> None:
    where = f"{pruner.name} on {job.info.name}"
    if tuple(result.keep.shape) != job.info.shape or result.keep.dtype != torch.bool:
        raise PartError(
            f"{where}: keep is {result.keep.dtype} {tuple(result.keep.shape)}, "
            f"bool {job.info.shape} is needed"
        )
    count = int(result.keep.sum())
    if getattr(pruner, "exact", True) and count != job.keep_count:
        raise PartError(f"{where}: kept {count} weights, {job.keep_count} are asked for")
    if result.weight is not None and tuple(result.weight.shape) != job.info.shape:
        raise PartError(
            f"{where}: weight is {tuple(result.weight.shape)}, {job.info.shape} is needed"
        )


def _on(device: torch.device, tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.to(device)


def _layer_seed(seed: int, layer: LayerInfo) -> int:
    """A seed of its own for every layer, so that their order plays no part."""
    return int.from_bytes(hashlib.sha256(f"{seed} {layer.name}".encode()).digest()[:6])
