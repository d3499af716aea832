"""What a part says of itself: tags, written as attributes of its class and read in one place.

A misspelt tag would be taken for one that was never written, so what almost is one is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import getattr_static
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from harness.errors import PartError, UnknownNameError
from harness.plugin.values import Granularity, Statistic

#: How alike an attribute and a tag are if one was meant for the other; an option that is True or
#: False has to be a slip of the finger away.
ALIKE, SLIP = 0.7, 0.93


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """Base: how a kind of part says what it is like."""

    KIND: ClassVar[str]
    METHOD: ClassVar[str]
    """What a part of this kind does; empty = not looked at."""

    @classmethod
    def of(cls, part: object) -> Self:
        """Read the tags of a part, or of its class.

        Raises:
            PartError: A tag is missing, is no tag, or has no value that it may have.
        """
        if cls.METHOD and not _does(part, cls):
            raise PartError(f"has no method `{cls.METHOD}`; every {cls.KIND} has one")
        _refuse_near_misses(part, cls)
        hints = _hints(cls)
        return cls(
            **{
                tag: _checked(tag, value, hints[tag])
                for tag, needed in _tags(cls).items()
                if (value := _value(part, cls, tag, needed=needed)) is not MISSING
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorTags(Tags):
    """What a score estimator says of itself."""

    KIND, METHOD = "score estimator", "score"

    granularity: Granularity
    """What it scores."""
    data_free: bool = False
    """It looks at the weights alone: no calibration set is drawn, and seeds make one row."""
    changes_weights: bool = False
    """It leaves the weights other than it found them: what it left is pruned, and its scores are
    never reused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorTags(Tags):
    """What a budget allocator says of itself."""

    KIND, METHOD = "budget allocator", "allocate"

    granularity: Granularity = "block"
    """Of the groups that it gets scores of."""
    exact: bool = True
    """It meets total and minimum to the weight; else they are only reported."""
    data_free: bool = False
    """Of no effect: an allocator never gets data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerTags(Tags):
    """What a local pruner says of itself."""

    KIND, METHOD = "local pruner", "prune"

    statistics: frozenset[Statistic]
    """What it reads of a layer's inputs."""
    exact: bool = True
    """It keeps as many weights as it is told; else the count is only reported."""
    changes_weights: bool = False
    """Weights that stay may get other values."""
    data_free: bool = False
    """It looks at the weights alone."""
    refines: bool = False
    """It works on the mask of the pruner before it."""
    counts_padding: bool = False
    """Statistics are over padded tokens too."""
    replays_first_call: bool = False
    """All blocks are called with what the first of their tower is called with, but for the hidden
    states; T5 then has no position bias after its first block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearcherTags(Tags):
    """What a searcher says of itself."""

    KIND, METHOD = "searcher", "search"

    data_free: bool = False
    """The seed cannot change what it finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTags(Tags):
    """What a task says of itself."""

    KIND, METHOD = "task", ""

    argument: str = ""
    """What stands behind a colon in its name; empty = nothing does."""


#: The kinds that a pruning method is made of; one class may be of several.
KINDS: tuple[type[Tags], ...] = (EstimatorTags, AllocatorTags, PrunerTags, SearcherTags)


def check_statistics(names: object) -> frozenset[Statistic]:
    """A set of known statistics.

    Raises:
        PartError: It is no set, or one is unknown; near matches are listed.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise PartError(f"`statistics` is {names!r}, a {type(names).__name__}; a set is right")
    found = frozenset(names)
    for name in sorted(found, key=repr):
        _refuse_unknown("statistic", name, get_args(Statistic))
    return found


def _value(part: object, kind: type[Tags], tag: str, *, needed: bool) -> Any:
    """What the part says, or `MISSING` where the default holds."""
    value = getattr(part, tag, MISSING)
    if isinstance(part, type) and _is_descriptor(value):
        return MISSING
    if value is MISSING and needed:
        ways = ", ".join(map(repr, _values_of(_hints(kind)[tag])))
        how = f"frozenset() or some of {ways}" if tag == "statistics" else f"one of {ways}"
        raise PartError(f"has no `{tag}`; every {kind.KIND} has one: {how}")
    return value


def _checked(tag: str, value: Any, hint: Any) -> Any:
    if tag == "statistics":
        return check_statistics(value)
    if get_origin(hint) is Literal:
        _refuse_unknown(tag, value, get_args(hint))
    elif not isinstance(value, hint):
        right = "True or False" if hint is bool else f"a {hint.__name__}"
        raise PartError(f"`{tag}` is {value!r}, a {type(value).__name__}; {right} is right")
    return value


def _refuse_unknown(what: str, name: object, known: Collection[str]) -> None:
    if name not in known:
        raise PartError(str(UnknownNameError(what, str(name), known)))


def _refuse_near_misses(part: object, kind: type[Tags]) -> None:
    """Compare what the class has beside methods and options with the tags of its kinds."""
    kinds = KINDS if kind.METHOD else ()
    tags = {tag for i in (kind, *kinds) if i is kind or _does(part, i) for tag in _tags(i)}
    others = {tag: i.KIND for i in kinds for tag in _tags(i) if tag not in tags}
    for name, value in _attributes(part).items():
        if name in tags:
            continue
        least = SLIP if name in _options(part) else ALIKE
        if least == SLIP and not isinstance(value, bool):
            continue
        near = difflib.get_close_matches(name.lower(), tags, n=1, cutoff=least)
        if near:
            raise PartError(f"`{name}` is no tag of a {kind.KIND}; did you mean {near[0]}?")
        if name in others and least != SLIP:
            raise PartError(
                f"`{name}` is a tag of a {others[name]}, not of a {kind.KIND}, "
                f"whose tags are {', '.join(sorted(tags))}"
            )


def _attributes(part: object) -> Mapping[str, Any]:
    """What is public, no method and no constant, by name."""
    given = part if isinstance(part, type) else type(part)
    names = {name for base in given.__mro__[:-1] for name in vars(base)}
    names |= set() if given is part else set(getattr(part, "__dict__", {}))
    values = {name: getattr_static(part, name, None) for name in sorted(names)}
    return {
        name: value
        for name, value in values.items()
        if not (name.startswith("_") or name.isupper() or _is_descriptor(value) or callable(value))
    }


def _is_descriptor(value: object) -> bool:
    """Whether it is a method, property or slot of a class."""
    return hasattr(type(value), "__get__")


def _does(part: object, kind: type[Tags]) -> bool:
    return callable(getattr(part, kind.METHOD, None))


def _options(part: object) -> set[str]:
    return {field.name for field in fields(part)} if is_dataclass(part) else set()


def _tags(kind: type[Tags]) -> Mapping[str, bool]:
    """Tag -> whether it has to be written."""
    return {field.name: field.default is MISSING for field in fields(kind)}


def _hints(kind: type[Tags]) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _values_of(hint: Any) -> tuple[str, ...]:
    """What a Literal, or the set of one, may hold."""
    [inner] = get_args(hint) if get_origin(hint) is frozenset else [hint]
    return get_args(inner)
