"""What a plugin's module has to be like: hooks that exist, lists of classes that have names."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from harness.errors import PartError
from harness.plugin import hookspecs

PREFIX = "harness_"
#: What would end a name where names are written one after the other, or with an option.
NOT_IN_NAMES = ",="


def load(entry_point: EntryPoint) -> Any:
    """What an entry point names.

    Raises:
        PartError: There is no such module, or no such attribute in it.
    """
    module, colon, attribute = entry_point.value.partition(":")
    try:
        return entry_point.load()
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise PartError(
                f"its entry point is {entry_point.value}, and there is no module {error.name}"
            ) from error
        raise
    except AttributeError as error:
        if colon and getattr(error, "name", None) == attribute.partition(".")[0]:
            raise PartError(
                f"its entry point is {entry_point.value}, and {module} has no {attribute!r}"
            ) from error
        raise


def check_hooks(manager: pluggy.PluginManager, module: object) -> None:
    """Refuse a module whose hooks nobody would call, or not as they are written.

    Raises:
        PartError: A hook is misspelt, not marked or takes other arguments, or there is none.
    """
    known = [name for name in vars(hookspecs) if name.startswith(PREFIX)]
    marked = [n for n in dir(module) if manager.parse_hookimpl_opts(module, n) is not None]
    for name in marked:
        options = manager.parse_hookimpl_opts(module, name)
        hook = (options and options.get("specname")) or name
        if hook not in known:
            near = difflib.get_close_matches(hook, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"hooks: {', '.join(known)}"
            raise PartError(f"there is no hook {hook!r}; {hint}")
        _check_arguments(hook, getattr(module, name))
    for name in set(known).intersection(dir(module)).difference(marked):
        raise PartError(f"{name} is not marked; put @harness.plugin.hookimpl before it")
    if not marked:
        raise PartError(
            "it gives nothing: no function in it is a hook, marked by @harness.plugin.hookimpl"
        )


def _check_arguments(hook: str, function: Any) -> None:
    offered = inspect.signature(getattr(hookspecs, hook)).parameters
    for name, parameter in inspect.signature(function).parameters.items():
        is_needed = parameter.default is parameter.empty
        is_named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if is_needed and is_named and name not in offered:
            takes = f"it may take {', '.join(offered)}" if offered else "it takes no arguments"
            raise PartError(f"hook {hook} is written with an argument {name!r}; {takes}")


def items_of(hook: str, given: Any) -> Sequence[Any]:
    """What a provider hook returned, once it is known to be what it should.

    Raises:
        PartError: It is no list, or holds what has no name, is no class or stands there twice.
    """
    if not isinstance(given, list | tuple):
        hint = "is its `return` missing?" if given is None else f"say return [{_called(given)}]"
        raise PartError(f"{hook} returned {_what(given)}, not a list; {hint}")
    names: set[str] = set()
    for item in given:
        if hook != f"{PREFIX}recipes" and not inspect.isclass(item):
            raise PartError(f"{hook} gives {_what(item)}; give the class: [{_called(item)}]")
        name = _name_of(hook, item)
        if name in names:
            raise PartError(f"{hook} gives {name!r} twice; names tell its classes apart")
        names.add(name)
    return given


def _name_of(hook: str, item: Any) -> str:
    name = getattr(item, "name", None)
    if name is None or inspect.isdatadescriptor(name):
        raise PartError(f"{hook}: {_what(item)} has no `name`; write one: name = 'snr'")
    if not isinstance(name, str):
        raise PartError(f"{hook}: the `name` of {_called(item)} is {name!r}; a text is needed")
    if not name or any(letter.isspace() or letter in NOT_IN_NAMES for letter in name):
        raise PartError(
            f"{hook}: {_called(item)} is named {name!r}, which cannot be asked for; a name has no "
            f"blank, comma or equals sign"
        )
    return name


def _what(item: Any) -> str:
    if item is None:
        return "None"
    return f"the class {item.__name__}" if inspect.isclass(item) else f"a {type(item).__name__}"


def _called(item: Any) -> str:
    return item.__name__ if inspect.isclass(item) else type(item).__name__
