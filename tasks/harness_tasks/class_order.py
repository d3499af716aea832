"""What a classifier's logits stand for: their classes, told by WordNet ids or by names.

A classifier of ImageNet-1k has 1,000 logits, in the order of its sorted WordNet ids. Other
classifiers name their classes in ``id2label``, or number them like the list of the folder.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.plugin import DataError, InputError, brief, listed
from harness_tasks.wnids import WNIDS

#: What transformers calls a class that nobody named.
UNNAMED = re.compile(r"(LABEL_)?\d*")


@dataclass(frozen=True, slots=True)
class Class:
    """One entry of a list of classes."""

    key: str
    """Name of its folder, e.g. its WordNet id."""
    name: str = ""
    """What it is called; empty if the list does not say."""

    def __str__(self) -> str:
        return listed([f"{self.key} ({self.name})" if self.name else self.key])


def are_of_imagenet(classes: Sequence[Class]) -> bool:
    """Whether every class is one of the 1,000."""
    return {found.key for found in classes} <= set(WNIDS)


def refuse_twice(classes: Sequence[Class], where: Path) -> None:
    """Refuse a list that has a class twice.

    Raises:
        DataError: It has.
    """
    counts = Counter(found.key for found in classes)
    if twice := [key for key, count in counts.items() if count > 1]:
        told = listed(twice[:1])
        raise DataError(where, f"class {told} stands there {counts[twice[0]]} times")


def classes_of_logits(labels: Sequence[str], classes: Sequence[Class]) -> list[int | None]:
    """The place in the list of every logit's class; None = a class that the list does not have.

    Args:
        labels: What the model calls the classes of its logits, in order.

    Raises:
        InputError: Logits and classes do not match; both counts and the first mismatch are told.
    """
    logits = _logits_of_classes(labels, classes)
    places = {logit: place for place, logit in enumerate(logits)}
    return [places.get(logit) for logit in range(len(labels))]


def _logits_of_classes(labels: Sequence[str], classes: Sequence[Class]) -> Sequence[int]:
    """The logit of every class: the one that is called so, else ImageNet's, else the list's."""
    are_named = not all(UNNAMED.fullmatch(label) for label in labels)
    called = _called_so(labels, classes) if are_named else []
    only = [logits[0] for logits in called if len(logits) == 1]
    if len(set(only)) == len(classes):
        return only
    if len(labels) == len(WNIDS) and are_of_imagenet(classes):
        order = {wnid: logit for logit, wnid in enumerate(WNIDS)}
        standard = [order[found.key] for found in classes]
        here = sum(logit in logits for logit, logits in zip(standard, called, strict=False))
        if here >= sum(map(bool, called)) / 2:
            return standard
    elif len(labels) == len(classes):
        listed = range(len(classes))
        if all(logit in logits for logit, logits in zip(listed, called, strict=False)):
            return listed
    raise InputError(
        f"the model has {len(labels):,} logits, the data {len(classes):,} classes, and "
        f"{_first_mismatch(labels, classes, called)}; they are matched by the names in the model's "
        f"id2label, or by ImageNet's ids where there are 1,000 logits, or in the order of the "
        f"list where they are equally many"
    )


def _called_so(labels: Sequence[str], classes: Sequence[Class]) -> list[list[int]]:
    """For every class the logits that have its id or name, whole or up to the first comma."""
    whole: dict[str, list[int]] = defaultdict(list)
    first: dict[str, list[int]] = defaultdict(list)
    for logit, label in enumerate(labels):
        whole[_plain(label)].append(logit)
        first[_plain(label.partition(",")[0])].append(logit)
    return [
        whole.get(_plain(found.key))
        or whole.get(_plain(found.name or found.key))
        or first.get(_plain((found.name or found.key).partition(",")[0]))
        or []
        for found in classes
    ]


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())


def _first_mismatch(
    labels: Sequence[str], classes: Sequence[Class], called: Sequence[Sequence[int]]
) -> str:
    if not called:
        return "its config names none of them"
    for found, logits in zip(classes, called, strict=True):
        if not logits:
            return f"class {found} is called so by none"
    place = next((i for i, logits in enumerate(called) if i not in logits), 0)
    return f"class {classes[place]} is logit {called[place][0]}, {brief(labels[called[place][0]])}"
