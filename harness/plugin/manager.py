"""Find the installed plugins and build the registries: the only place that knows pluggy's manager.

A plugin that cannot be imported or breaks a hook's contract is set aside with its reason; the
others go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

from harness.errors import HarnessError
from harness.plugin import hookspecs
from harness.plugin.faults import one_line, whole
from harness.plugin.giving import PREFIX, check_hooks, items_of, load
from harness.plugin.installed import entry_points
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
    seconds: dict[Origin, float] = field(default_factory=dict)
    """How long each plugin took to be imported and asked."""

    def __post_init__(self) -> None:
        for registry in self.registries():
            registry.beside = self.told_aside

    def registries(self) -> Iterable[Registry[Any]]:
        return [value for value in vars(self).values() if isinstance(value, Registry)]

    def told_aside(self) -> str:
        """What was set aside, in a line; whatever is missed may have been theirs."""
        alike: dict[tuple[str, str], list[str]] = {}
        for plugin in self.broken:
            distribution = f"{plugin.origin.distribution} {plugin.origin.version}"
            alike.setdefault((distribution, plugin.reason), []).append(plugin.origin.plugin)
        told = [
            f"plugin {' and '.join(names)} of {distribution} was set aside: {reason}"
            for (distribution, reason), names in alike.items()
        ]
        return "; ".join([*told, "`harness doctor --traceback` shows more"]) if told else ""


def load_plugins(*extra: object) -> Plugins:
    """Import every installed plugin of the group ``harness``.

    Args:
        extra: Objects that listen to events, e.g. the command line's progress display.
    """
    manager = pluggy.PluginManager("harness")
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(hook=manager.hook)
    for distribution, entry_point in entry_points():
        origin = Origin(
            plugin=entry_point.name,
            distribution=distribution.name,
            version=distribution.version,
            module=entry_point.value.partition(":")[0],
        )
        started = time.perf_counter()
        try:
            _register(manager, plugins, load(entry_point), origin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's module may raise anything, or call sys.exit
            plugins.broken.append(_set_aside(origin, error))
        plugins.seconds[origin] = time.perf_counter() - started
    for listener in extra:
        manager.register(listener)
    return plugins


def _set_aside(origin: Origin, error: BaseException) -> BrokenPlugin:
    reason = str(error) if isinstance(error, HarnessError) else one_line(error)
    reason = reason.partition("\n")[0]
    return BrokenPlugin(origin=origin, reason=reason, traceback=whole(error))


def _register(
    manager: pluggy.PluginManager, plugins: Plugins, module: object, origin: Origin
) -> None:
    check_hooks(manager, module)
    name = f"{origin.distribution}:{origin.plugin}"
    manager.register(module, name=name)
    try:
        given = [
            (registry, Provider(name=item.name, given=item, origin=origin))
            for attribute, registry in vars(plugins).items()
            if isinstance(registry, Registry)
            for item in _asked(manager, module, f"{PREFIX}{attribute}")
        ]
    except BaseException:
        manager.unregister(name=name)
        raise
    for registry, provider in given:
        registry.add(provider)


def _asked(manager: pluggy.PluginManager, module: object, hook: str) -> Iterable[Any]:
    """What a module's hook gives; nothing if it has none."""
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin is module:
            yield from items_of(hook, implementation.function())
