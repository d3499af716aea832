"""The fine stage: walk the blocks and let the local pruners fill each layer's budget."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from harness.budget import Budget
from harness.calibration import CalibrationSet
from harness.composition import Composition
from harness.contract import blamed, prune_layer
from harness.errors import PartError
from harness.heap import trim
from harness.masks import PackedMasks
from harness.model import Model
from harness.plugin import (
    LayerInfo,
    LayerJob,
    LayerResult,
    LocalPruner,
    Pattern,
    PrunerTags,
    Statistics,
)
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
        PartError: A pruner did what its tags or the job do not allow.
    """
    pruned = Pruned()
    estimator = fine.composition.estimator_tags
    if estimator is not None and estimator.changes_weights:
        pruned.updated.update(layer.name for layer in model.layers)
    kinds = fine.composition.statistics
    if not kinds:
        for layer in model.layers:
            _prune_layer(model, layer, _no_statistics(layer), fine, pruned)
            progress(len(pruned.masks), len(model.layers), layer.name)
        return pruned
    assert calibration is not None
    batches = calibration.batches(model, size=BATCH)
    rules = _rules(fine.composition.local_tags)
    for tower in model.towers:
        if not any(layer.tower == tower.name for layer in model.layers):
            continue
        for visit in TowerWalk(model, tower, batches, rules):
            statistics = visit.statistics(kinds)
            for layer in visit.layers:
                _prune_layer(model, layer, statistics[layer.name], fine, pruned)
                progress(len(pruned.masks), len(model.layers), layer.name)
    return pruned


def _rules(chain: Sequence[PrunerTags]) -> Rules:
    return Rules(
        counts_padding=any(tags.counts_padding for tags in chain),
        replays_first_call=any(tags.replays_first_call for tags in chain),
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
            weight=live.to(torch.float32),
            keep_count=fine.budget.keep[layer.name],
            pattern=fine.pattern,
            stats=statistics,
            scores=_on(live.device, fine.scores.get(layer.name)),
            keep=_on(live.device, fine.before.get(layer.name)),
            rng=torch.Generator().manual_seed(_layer_seed(fine.seed, layer)),
        ),
        partial(fine.composition.title, "local"),
    )
    if result.weight is not None:
        live.copy_(result.weight)
        pruned.updated.add(layer.name)
    live.masked_fill_(~result.keep, 0)
    if result.weight is not None and not bool(torch.isfinite(live).all()):
        chain = " + ".join(
            fine.composition.title("local", i.name) for i in fine.composition.pruners
        )
        raise PartError(f"{chain} on {layer.name}: its new weights are infinite in {live.dtype}")
    pruned.masks[layer.name] = result.keep.cpu()
    if result.notes:
        pruned.notes[layer.name] = dict(result.notes)
    del result
    trim()


def run_chain(
    pruners: Sequence[LocalPruner],
    job: LayerJob,
    title: Callable[[str], str] = str,
) -> LayerResult:
    """Each pruner gets the mask and weight of the one before it.

    Args:
        title: Makes of a pruner's name what it is called in errors about it.

    Raises:
        PartError: A pruner changed its job, or gave what its tags and the job do not allow.
    """
    notes: dict[str, float] = {}
    weight = None
    for pruner in pruners:
        with blamed(f"{title(pruner.name)} on {job.info.name}"):
            result = prune_layer(pruner, job)
        notes |= {name: float(note) for name, note in result.notes.items()}
        if result.weight is not None:
            weight = result.weight.detach()
        job = replace(job, keep=result.keep, weight=job.weight if weight is None else weight)
    assert job.keep is not None
    return LayerResult(keep=job.keep, weight=weight, notes=notes)


def _on(device: torch.device, tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.to(device)


def _layer_seed(seed: int, layer: LayerInfo) -> int:
    """A seed of its own for every layer, so that their order plays no part."""
    return int.from_bytes(hashlib.sha256(f"{seed} {layer.name}".encode()).digest()[:6])
