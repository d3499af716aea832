"""What is wrong with a field, in plain words: what is needed there, and what was seen."""

from __future__ import annotations

import dataclasses
import reprlib
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from harness.errors import UnknownNameError

#: pydantic's kind of fault -> what is needed instead; braces name what it knows of the fault.
NEEDED: Mapping[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dataclass_type": "a mapping",
    "dict_type": "a mapping",
    "enum": "{expected}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "invalid_key": "a text as key",
    "is_instance_of": "{class}",
    "int_type": "a whole number",
    "less_than": "a number below {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "mapping_type": "a mapping",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "none_required": "nothing",
    "path_type": "a path",
    "recursion_loop": "content that does not hold itself",
    "string_too_short": "a text of at least {min_length} characters",
    "string_type": "a text",
    "string_unicode": "a text in UTF-8",
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length} of them",
    "tuple_type": "a list",
}
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
MISSING = ("missing", "missing_argument")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def explain(
    error: ValidationError, kind: Any = None, called: Mapping[str, str] | None = None
) -> str:
    """The first fault in one line; a field that is not known goes before one that is missing.

    Args:
        kind: The class that was to be made, of whose fields near matches are told.
        called: Place, e.g. ``model.name`` -> what people know it as, e.g. ``--model``.
    """
    faults = error.errors(include_url=False)
    fault = next((fault for fault in faults if fault["type"] in UNKNOWN), faults[0])
    path, type_ = fault["loc"], fault["type"]
    if type_ in UNKNOWN:
        *outer, name = path
        known = field_names(_kind_at(kind, outer))
        place = _place(outer, called)
        of = "setting" if place in (called or {}).values() else "field"
        within = f" of {place}" if place else ""
        return str(UnknownNameError(f"{of}{within}", str(name), known))
    place = _place(path, called)
    if type_ in MISSING:
        return f"{place} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    if type_ == "value_error":
        return f"{place}: {message}" if place else message
    if type_ == "json_invalid":
        return f"no JSON: {message.partition(': ')[2]}"
    known_of_it = {key: _plain(value) for key, value in fault.get("ctx", {}).items()}
    own = f"{message.removeprefix('Input should be ')}"
    needed = NEEDED[type_].format(**known_of_it) if type_ in NEEDED else own
    told = f"{needed} is needed, not {shown(fault['input'])}"
    return f"{place}: {told}" if place else told


def shown(value: object) -> str:
    """A value that was seen, cut where it is long."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # a number of more digits than Python writes
        return f"a {type(value).__name__} of thousands of digits"


def _place(path: Sequence[int | str], called: Mapping[str, str] | None) -> str:
    """``calibration.samples``, or ``--calibration: samples``."""
    steps = list(map(str, path))
    for end in range(len(steps), 0, -1):
        option = (called or {}).get(".".join(steps[:end]))
        if option:
            inner = [str(step) for step in path[end:] if not isinstance(step, int)]
            return ": ".join([option, ".".join(inner)] if inner else [option])
    return ".".join(steps)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def field_names(kind: Any) -> list[str]:
    """The fields that a dataclass or a model can be given."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(kind.model_fields)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind) if field.init]
    return []


def _kind_at(kind: Any, path: Sequence[int | str]) -> Any:
    """The class of what stands at a place inside another."""
    for step in path:
        inner = _inside(kind)
        hints = get_type_hints(inner, include_extras=True) if field_names(inner) else {}
        kind = hints.get(str(step), inner)
    return _inside(kind)


def _inside(kind: Any) -> Any:
    """The class in ``tuple[kind, ...]``, ``kind | None`` and the like."""
    origin = get_origin(kind)
    if origin is None:
        return kind
    arguments = get_args(kind)
    if origin in (Union, types.UnionType, Annotated) or issubclass(origin, Sequence):
        return _inside(next(i for i in arguments if i is not types.NoneType))
    return kind
