"""Find the installed plugins and build the registries: the only place that knows pluggy's manager.

A plugin that cannot be imported or breaks a hook's contract is set aside with its reason; the
others go on.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from harness.plugin import hookspecs
from harness.plugin.registry import Origin, Provider, Registry

if TYPE_CHECKING:
    from harness.plugin.backends import Backend
    from harness.plugin.protocols import (
        BudgetAllocator,
        BundledModel,
        CalibrationSource,
        Edition,
        LocalPruner,
        ModelFamily,
        ScoreEstimator,
        Searcher,
        Task,
    )
    from harness.plugin.values import Recipe

GROUP = "harness"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPlugin:
    """A plugin that was set aside."""

    origin: Origin
    reason: str
    """One line."""
    traceback: str


@dataclass(frozen=True, kw_only=True)
class Plugins:
    """Everything that is installed, by kind."""

    hook: pluggy.HookRelay
    score_estimators: Registry[type[ScoreEstimator]] = field(
        default_factory=partial(Registry, "score estimator")
    )
    budget_allocators: Registry[type[BudgetAllocator]] = field(
        default_factory=partial(Registry, "budget allocator")
    )
    local_pruners: Registry[type[LocalPruner]] = field(
        default_factory=partial(Registry, "local pruner")
    )
    searchers: Registry[type[Searcher]] = field(default_factory=partial(Registry, "searcher"))
    recipes: Registry[Recipe] = field(default_factory=partial(Registry, "pruner"))
    model_families: Registry[type[ModelFamily]] = field(
        default_factory=partial(Registry, "model family")
    )
    models: Registry[type[BundledModel]] = field(default_factory=partial(Registry, "model"))
    tasks: Registry[type[Task]] = field(default_factory=partial(Registry, "task"))
    editions: Registry[type[Edition]] = field(default_factory=partial(Registry, "edition"))
    calibration_sources: Registry[type[CalibrationSource]] = field(
        default_factory=partial(Registry, "calibration source")
    )
    backends: Registry[type[Backend]] = field(default_factory=partial(Registry, "backend"))
    broken: list[BrokenPlugin] = field(default_factory=list)

    def registries(self) -> Iterable[Registry[Any]]:
        return [value for value in vars(self).values() if isinstance(value, Registry)]


def load_plugins(*extra: object) -> Plugins:
    """Import every installed plugin of the group ``harness``.

    Args:
        extra: Objects that listen to events, e.g. the command line's progress display.
    """
    manager = pluggy.PluginManager("harness")
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(hook=manager.hook)
    for distribution, entry_point in _entry_points():
        origin = Origin(
            plugin=entry_point.name,
            distribution=distribution.name,
            version=distribution.version,
            module=entry_point.value.partition(":")[0],
        )
        try:
            _register(manager, plugins, entry_point.load(), origin)
        except Exception as error:  # a stranger's module may raise anything at all
            reason = str(error).partition("\n")[0] or type(error).__name__
            plugins.broken.append(
                BrokenPlugin(origin=origin, reason=reason, traceback=traceback.format_exc())
            )
    for listener in extra:
        manager.register(listener)
    return plugins


def _entry_points() -> list[tuple[Distribution, EntryPoint]]:
    """Entry points of the group, each with its distribution, sorted; a path twice counts once."""
    found: dict[tuple[str, str, str], tuple[Distribution, EntryPoint]] = {}
    for distribution in distributions():
        for entry_point in distribution.entry_points:
            if entry_point.group == GROUP:
                key = (distribution.name, entry_point.name, entry_point.value)
                found.setdefault(key, (distribution, entry_point))
    return [found[key] for key in sorted(found)]


def _register(
    manager: pluggy.PluginManager, plugins: Plugins, module: ModuleType, origin: Origin
) -> None:
    _refuse_unknown_hooks(manager, module)
    name = f"{origin.distribution}:{origin.plugin}"
    manager.register(module, name=name)
    try:
        given = [
            (registry, _named(provided, origin))
            for attribute, registry in vars(plugins).items()
            if isinstance(registry, Registry)
            for implementation in getattr(manager.hook, f"harness_{attribute}").get_hookimpls()
            if implementation.plugin is module
            for provided in implementation.function()
        ]
    except Exception:
        manager.unregister(name=name)
        raise
    for registry, provider in given:
        registry.add(provider)


def _refuse_unknown_hooks(manager: pluggy.PluginManager, module: ModuleType) -> None:
    known = [name for name in vars(hookspecs) if name.startswith("harness_")]
    for name in dir(module):
        if manager.parse_hookimpl_opts(module, name) is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"hooks: {', '.join(known)}"
            raise TypeError(f"there is no hook {name!r}; {hint}")


def _named(given: Any, origin: Origin) -> Provider[Any]:
    name = getattr(given, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"{given!r} has no `name`; give its class one")
    return Provider(name=name, given=given, origin=origin)
