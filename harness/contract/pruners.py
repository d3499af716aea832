"""What local pruners do with a layer, and what they give."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from harness.contract.seen import check_tensor, kind_of
from harness.errors import PartError
from harness.plugin import LayerJob, LayerResult, LocalPruner, Pattern, PrunerTags, Statistics


def prune_layer(pruner: LocalPruner, job: LayerJob) -> LayerResult:
    """Run a local pruner on one layer; it gets the job's tensors as copies of its own.

    Raises:
        PartError: It changed the job, or its result is not what its tags and the job say.
    """
    given = replace(
        job,
        weight=job.weight.clone(),
        scores=None if job.scores is None else job.scores.clone(),
        keep=None if job.keep is None else job.keep.clone(),
    )
    versions = _versions(job.stats)
    result = pruner.prune(given)
    if _versions(job.stats) != versions:
        raise PartError("changed job.stats in place; layers share them, so work on a copy")
    for name in ("weight", "scores", "keep"):
        before, after = getattr(job, name), getattr(given, name)
        if before is not None and not _same(before, after):
            raise PartError(
                f"changed job.{name} in place; work on a copy and return it in a LayerResult"
            )
    _check_result(result, job, PrunerTags.of(pruner))
    return result


def check_pattern(stays: Tensor, pattern: Pattern) -> None:
    """Every run of m consecutive inputs of a row keeps n at most.

    Args:
        stays: bool (out, in), True = the weight stays.

    Raises:
        PartError: Some keep more; they are counted.
    """
    if stays.shape[1] % pattern.of:
        raise PartError(
            f"{stays.shape[1]} inputs are no multiple of {pattern.of}; {pattern} does not fit"
        )
    groups = stays.reshape(stays.shape[0], -1, pattern.of).sum(dim=2)
    crowded = int((groups > pattern.keep).sum())
    if crowded:
        raise PartError(
            f"{crowded:,} of {groups.numel():,} groups of {pattern.of} consecutive inputs keep "
            f"more than {pattern.keep} weights; {pattern} is asked for"
        )


def _check_result(result: Any, job: LayerJob, tags: PrunerTags) -> None:
    if not isinstance(result, LayerResult):
        raise PartError(f"returned {kind_of(result)}; a LayerResult is right")
    check_tensor("keep", result.keep, torch.bool, job.weight)
    count = int(result.keep.sum())
    if tags.exact and count != job.keep_count:
        raise PartError(f"kept {count} weights, {job.keep_count} are asked for")
    if job.pattern is not None:
        check_pattern(result.keep, job.pattern)
    if result.weight is not None:
        if not tags.changes_weights:
            raise PartError(
                "gives new weights and does not say so; write changes_weights = True on its class, "
                "or return none"
            )
        check_tensor("weight", result.weight, torch.float32, job.weight)
        bad = int((~torch.isfinite(result.weight) & result.keep).sum())
        if bad:
            raise PartError(f"{bad} of the weights that stay are NaN or infinite")
    for name, note in result.notes.items():
        if not isinstance(note, Real):
            raise PartError(f"note {name!r} is {kind_of(note)}; a number is right")


def _same(a: Tensor, b: Tensor) -> bool:
    """Equal entry by entry; NaN equals NaN."""
    if torch.equal(a, b):
        return True
    return a.is_floating_point() and torch.equal(a.nan_to_num(), b.nan_to_num())


def _versions(stats: Statistics) -> dict[str, int]:
    """How often each statistic was written to; copies of them would take too much memory."""
    return {kind: value._version for kind, value in stats.values.items()}  # noqa: SLF001
