"""What score estimators give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from harness.contract.seen import kind_of
from harness.errors import PartError, UnknownNameError
from harness.plugin import EstimatorTags, Granularity, LayerInfo, ScoreEstimator, ScoreSession


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
            hint = str(UnknownNameError(own, name, names)).partition("; ")[2]
            raise PartError(f"scored {name!r}, which is no {own}; {hint}")
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


def _iterated(given: Any) -> Iterator[Any]:
    if isinstance(given, Mapping) or not hasattr(given, "__iter__"):
        raise PartError(f"score() gave {kind_of(given)}; it has to yield (name, score)")
    return iter(given)


def _pair(given: Any) -> tuple[str, Any]:
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], str):
        raise PartError(f"yielded {kind_of(given)}; (name, score) is right")
    return given


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
