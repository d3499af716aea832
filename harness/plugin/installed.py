"""Which plugins are installed, by the entry points of the group ``harness``, and what is whose."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import Distribution, EntryPoint, distributions

from harness.versions import own_distribution

GROUP = "harness"


def entry_points() -> list[tuple[Distribution, EntryPoint]]:
    """Entry points of the group, each with its distribution; a path twice counts once.

    They are sorted, the bundled ones first: the libraries that these import are in no other's time.
    """
    own = own_distribution().name
    found: dict[tuple[str, str, str], tuple[Distribution, EntryPoint]] = {}
    for distribution in distributions():
        for entry_point in distribution.entry_points:
            if entry_point.group == GROUP:
                key = (distribution.name, entry_point.name, entry_point.value)
                found.setdefault(key, (distribution, entry_point))
    return [found[key] for key in sorted(found, key=lambda key: (key[0] != own, key))]


def plugin_packages() -> dict[str, str]:
    """Top-level module -> name and version of the distribution that brings plugins in it.

    The harness's own modules, which are no plugins, are left out.
    """
    found: dict[str, str] = {}
    for distribution, entry_point in entry_points():
        label = f"{distribution.name} {distribution.version}"
        for module in {_top(entry_point.value), *_modules(distribution)}:
            found[module] = label
    found.pop(_top(__name__), None)
    return found


def _modules(distribution: Distribution) -> Iterable[str]:
    """What a distribution installs, as far as its list of files tells."""
    for path in distribution.files or ():
        if path.suffix == ".py" and ".." not in path.parts:
            yield path.parts[0].removesuffix(".py")


def _top(module: str) -> str:
    return module.partition(":")[0].partition(".")[0]
