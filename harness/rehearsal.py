"""The parts of a pruner on made-up numbers, to see whether they go together at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from harness.contract import own_granularity
from harness.errors import InfeasibleError, InputError, PartError
from harness.grid import Variant
from harness.model import Model, group_layers
from harness.plugin import (
    AllocatorTags,
    LayerInfo,
    LayerJob,
    LayerResult,
    Pattern,
    keep_largest,
)
from harness.scoring import ScoreSet
from harness.testing import statistics_of

ROWS, COLUMNS, TOKENS = 8, 32, 64


def rehearse(variant: Variant, model: Model) -> None:
    """Give each part what it will be given, in kind: a budget's layers, one small layer.

    What a part refuses on purpose is raised. All else that goes wrong is for the cell to tell.

    Raises:
        InputError: A part refuses what it would be given.
    """
    with torch.random.fork_rng(devices=[]):
        if variant.pattern is None:
            _allocate(variant, model)
        _prune(variant)


def _allocate(variant: Variant, model: Model) -> None:
    """With scores only where they are few; those may not be ones that a budget can be met by."""
    allocator, tags = variant.composition.allocator, variant.composition.estimator_tags
    if allocator is None or (tags is not None and tags.granularity == "weight"):
        return
    target = variant.target(model)
    if tags is None:
        with _refusals():
            allocator.allocate(None, model.layers, target)
        return
    groups = group_layers(model.layers, own_granularity(tags.granularity))
    values = {group.name: 1 + place / len(groups) for place, group in enumerate(groups)}
    table = ScoreSet(tags.granularity, values, {}).table(
        model.layers, AllocatorTags.of(allocator).granularity
    )
    with _refusals(InfeasibleError):
        allocator.allocate(table, model.layers, target)


def _prune(variant: Variant) -> None:
    composition = variant.composition
    job = _small_job(variant)
    for pruner, tags in zip(composition.pruners, composition.local_tags, strict=True):
        if tags.refines and job.keep is None:
            keep = keep_largest(
                job.weight.abs(), job.keep_count, compare="row", pattern=job.pattern
            )
            job = replace(job, keep=keep)
        result = None
        with _refusals():
            result = pruner.prune(job)
        if not isinstance(result, LayerResult):
            return
        job = replace(job, keep=result.keep, permutation=result.permutation)


def _small_job(variant: Variant) -> LayerJob:
    """A layer whose width is one of the pattern's, with statistics of inputs of full rank."""
    pattern = variant.pattern or Pattern(1, 2)
    columns = pattern.of * -(-COLUMNS // pattern.of)
    info = LayerInfo(
        name="small", tower="small", block=0, role="small", shape=(ROWS, columns), stream="small"
    )
    generator = torch.Generator().manual_seed(0)
    tags = variant.composition.estimator_tags
    scored = tags is not None and tags.granularity == "weight"
    return LayerJob(
        info=info,
        weight=torch.randn(ROWS, columns, generator=generator),
        keep_count=ROWS * columns * pattern.keep // pattern.of,
        pattern=variant.pattern,
        stats=statistics_of(
            info,
            torch.randn(2, TOKENS, columns, generator=generator),
            variant.composition.statistics,
        ),
        scores=torch.rand(ROWS, columns, generator=generator) if scored else None,
        keep=None,
        rng=torch.Generator().manual_seed(0),
    )


@contextmanager
def _refusals(*but: type[InputError]) -> Iterator[None]:
    """Let through what a part refuses on purpose, and nothing else."""
    try:
        yield
    except but:
        return
    except (InputError, PartError) as error:
        if error.__cause__ is None:
            raise InputError(str(error)) from None
    except (Exception, SystemExit):  # its cell will tell
        return
