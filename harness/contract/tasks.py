"""What tasks give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from harness.contract.seen import kind_of
from harness.errors import PartError
from harness.plugin import Metric, Scores


def check_outputs(outputs: Any, items: int) -> None:
    """Whether a task's answers are one per item.

    Raises:
        PartError: They are not.
    """
    if isinstance(outputs, str | Mapping) or not isinstance(outputs, Sequence):
        raise PartError(f"ask() gave {kind_of(outputs)}; a list of one output per item is right")
    if len(outputs) != items:
        raise PartError(f"gave {len(outputs)} outputs for {items} items; one each is right")


def check_verdict(scores: Any, items: int, metric: Metric) -> None:
    """Whether a task's scores are numbers, one per item, and in [0, 1] where they mean correctness.

    Where the task says that its main score is undefined there is none to give. NaN is let through:
    it is the model's more often than the task's.

    Raises:
        PartError: They are not.
    """
    if not isinstance(scores, Scores):
        raise PartError(f"score() gave {kind_of(scores)}; Scores are right")
    if metric.name in scores.absent:
        if count := len(scores.per_sample):
            raise PartError(f"gave {count} scores although {metric.name} is absent; none is right")
        return
    _check_numbers("score", scores.per_sample, items)
    for place, score in enumerate(scores.per_sample if metric.is_correctness else ()):
        if score < 0 or score > 1:
            raise PartError(f"the score of item {place} is {score}; correctness is in [0, 1]")
    if scores.weights is not None:
        _check_numbers("weight", scores.weights, items)
        for place, weight in enumerate(scores.weights):
            if not 0 <= weight < float("inf"):
                raise PartError(
                    f"the weight of item {place} is {weight}; a finite one >= 0 is right"
                )


def _check_numbers(what: str, numbers: Any, items: int) -> None:
    if not hasattr(numbers, "__len__"):
        raise PartError(f"gave {kind_of(numbers)} as {what}s; a list of numbers is right")
    if len(numbers) != items:
        raise PartError(f"gave {len(numbers)} {what}s for {items} items; one each is right")
    for place, number in enumerate(numbers):
        if not isinstance(number, Real):
            raise PartError(f"the {what} of item {place} is {kind_of(number)}; a number is right")
