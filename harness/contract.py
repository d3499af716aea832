"""What a part gives is held to what it says of itself and to what it was asked.

The machine and `harness.testing` check by the same functions. They say what was seen and what would
be right; `blamed` says whose it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from harness.errors import HarnessError, PartError, UnknownNameError
from harness.plugin import (
    AllocatorTags,
    EstimatorTags,
    Granularity,
    LayerInfo,
    LayerJob,
    LayerResult,
    LocalPruner,
    Pattern,
    PrunerTags,
    ScoreEstimator,
    ScoreSession,
    Statistics,
    Target,
    UnitGroup,
)


@contextmanager
def blamed(title: str) -> Iterator[None]:
    """Let errors of the work inside name the part whose it is, and where it was.

    Raises:
        PartError: A contract was broken, or the part's code raised what no part raises on purpose.
    """
    try:
        yield
    except PartError as error:
        raise PartError(f"{title}: {error}") from error.__cause__
    except HarnessError:
        raise
    except Exception as error:
        what = str(error).partition("\n")[0]
        raise PartError(f"{title}: raised {type(error).__name__}: {what}") from error


def check_scores(
    estimator: ScoreEstimator, session: ScoreSession
) -> Iterator[tuple[str, Tensor | float]]:
    """Run an estimator; every score as it should be, per weight in float32 on the CPU.

    Raises:
        PartError: A score is missing, of the wrong shape, NaN or infinite, or one per layer or
            group is negative.
    """
    granularity = EstimatorTags.of(estimator).granularity
    own = own_granularity(granularity)
    layers = {layer.name: layer for layer in session.layers}
    names = list(dict.fromkeys(layer.group(own) for layer in session.layers))
    seen: Counter[str] = Counter()
    for given in _iterated(estimator.score(session)):
        name, scores = _pair(given)
        if name not in names:
            raise PartError(f"scored {name!r}, which is no {own}; {_hint(name, names)}")
        seen[name] += 1
        if seen[name] > 1:
            raise PartError(f"scored {name} twice; once is right")
        if granularity == "weight":
            yield name, _weight_scores(scores, layers[name])
        else:
            yield name, _group_score(scores, name, own)
    if missing := [name for name in names if name not in seen]:
        raise PartError(
            f"left out {len(missing)} of {len(names)} scores, first {missing[0]}; "
            f"one per {own} is right"
        )


def own_granularity(granularity: Granularity) -> Granularity:
    """Weight scores are given, and summed up, per layer."""
    return "layer" if granularity == "weight" else granularity


def check_budget(
    budget: Any, layers: Sequence[LayerInfo], target: Target, tags: AllocatorTags
) -> dict[str, int]:
    """Compare an allocator's answer with the target; an inexact one may miss total and minimum.

    Raises:
        PartError: A layer is missing or unknown, its count is no integer that it can have, or the
            total is not the target's.
    """
    if not isinstance(budget, Mapping):
        raise PartError(f"gave {kind_of(budget)}; layer -> keep count is right")
    for layer in layers:
        count: Any = budget.get(layer.name)
        least = target.min_keep[layer.name] if tags.exact else 0
        if not _is_integer(count) or not least <= int(count) <= layer.numel:
            seen = repr(count) if isinstance(count, Real | None) else kind_of(count)
            raise PartError(
                f"gives {layer.name} {seen} weights; "
                f"an integer in [{least}, {layer.numel}] is right"
            )
    if unknown := budget.keys() - {layer.name for layer in layers}:
        raise PartError(f"gives weights to {min(map(str, unknown))!r}, which is no layer")
    keep = {layer.name: int(budget[layer.name]) for layer in layers}
    total = sum(keep.values())
    if tags.exact and total != target.keep:
        raise PartError(f"keeps {total} weights in all, the target is {target.keep}")
    return keep


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


def check_units(units: Any, groups: Sequence[UnitGroup]) -> None:
    """Compare what a searcher found with the model's groups.

    Raises:
        PartError: A group is missing or unknown, is not bool (units,), or keeps no unit.
    """
    if not isinstance(units, Mapping):
        raise PartError(f"gave {kind_of(units)}; unit group -> bool (units,) is right")
    if odd := sorted(map(str, units.keys() ^ {group.name for group in groups})):
        raise PartError(f"left out or made up {len(odd)} unit groups, first {odd[0]}")
    for group in groups:
        found = units[group.name]
        right = f"a torch.bool tensor ({group.units},)"
        if not isinstance(found, Tensor) or found.dtype != torch.bool:
            raise PartError(f"units of {group.name} are {kind_of(found)}; {right} is right")
        if tuple(found.shape) != (group.units,):
            raise PartError(f"units of {group.name} are {kind_of(found)}; {right} is right")
        if not bool(found.any()):
            raise PartError(f"of {group.name} no unit stays, one has to")


def check_tensor(name: str, found: Any, dtype: torch.dtype, like: Tensor) -> None:
    """Whether it is a tensor of that dtype, and of another's shape and device.

    Raises:
        PartError: It is something else.
    """
    is_right = isinstance(found, Tensor) and (found.dtype, found.shape, found.device) == (
        dtype,
        like.shape,
        like.device,
    )
    if not is_right:
        where = "" if like.device.type == "cpu" else f" on {like.device}"
        raise PartError(
            f"{name} is {kind_of(found)}; a {dtype} tensor {tuple(like.shape)}{where} is right"
        )


def kind_of(value: Any) -> str:
    """What a value is, for a message: ``a numpy.ndarray``, ``a torch.int64 tensor (4, 8)``."""
    if isinstance(value, Tensor):
        where = "" if value.device.type == "cpu" else f" on {value.device}"
        return f"a {value.dtype} tensor {tuple(value.shape)}{where}"
    if value is None:
        return "None"
    kind = value if isinstance(value, type) else type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{'the class' if kind is value else 'a'} {module}{kind.__qualname__}"


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _iterated(given: Any) -> Iterator[Any]:
    if isinstance(given, Mapping) or not hasattr(given, "__iter__"):
        raise PartError(f"score() gave {kind_of(given)}; it has to yield (name, score)")
    return iter(given)


def _pair(given: Any) -> tuple[str, Any]:
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], str):
        raise PartError(f"yielded {kind_of(given)}; (name, score) is right")
    return given


def _hint(name: str, names: Collection[str]) -> str:
    return str(UnknownNameError("", name, names)).partition("; ")[2]


def _weight_scores(scores: Any, layer: LayerInfo) -> Tensor:
    is_numbers = isinstance(scores, Tensor) and not scores.is_complex()
    if not is_numbers or tuple(scores.shape) != layer.shape:
        raise PartError(
            f"scored {layer.name} with {kind_of(scores)}; a score per weight, {layer.shape}, "
            f"is right"
        )
    found: Tensor = scores.detach().float().cpu()
    bad = int((~torch.isfinite(found)).sum())
    if bad:
        raise PartError(f"scored {layer.name} with {bad} NaN or infinite numbers; none is right")
    return found


def _group_score(score: Any, name: str, own: Granularity) -> float:
    is_number = isinstance(score, Real) or (isinstance(score, Tensor) and score.numel() == 1)
    if not is_number:
        raise PartError(f"scored {name} with {kind_of(score)}; a number per {own} is right")
    value = float(score)
    if not 0 <= value < float("inf"):
        raise PartError(f"scored {name} {value}; a finite number >= 0 is right for a {own}")
    return value


def _versions(stats: Statistics) -> dict[str, int]:
    """How often each statistic was written to; copies of them would take too much memory."""
    return {kind: value._version for kind, value in stats.values.items()}  # noqa: SLF001


def _same(a: Tensor, b: Tensor) -> bool:
    """Equal entry by entry; NaN equals NaN."""
    if torch.equal(a, b):
        return True
    return a.is_floating_point() and torch.equal(a.nan_to_num(), b.nan_to_num())
