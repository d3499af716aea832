"""What is installed, tested and missing here, where things lie, and what is broken."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from harness.data.hub import why_no_parquet
from harness.dependencies import Dependency, locked_versions, requirements_of
from harness.plugin import Prerequisites
from harness.plugin.faults import one_line
from harness.plugin.manager import BrokenPlugin, Plugins
from harness.versions import own_distribution

#: Plugins that take longer to import are named: each of them slows every command.
SLOW_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Lack:
    """Something that does not work here."""

    what: str
    """E.g. ``task nocaps, coco-caption: SPICE``."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Folder:
    what: str
    path: str
    exists: bool
    writable: bool
    """Whether it can be written, or made if it is not there."""
    free_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Device:
    name: str
    """As ``--device`` takes it."""
    model: str
    memory_bytes: int | None
    threads: int | None
    """Threads that torch computes with; None = a GPU."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """The plugins of one distribution."""

    distribution: str
    version: str
    plugins: int
    parts: int
    seconds: float
    """How long all of them took to import."""
    slow: Mapping[str, float]
    """Plugin -> seconds it took to import, if more than `SLOW_SECONDS`; of strangers' alone, since
    bundled ones import the libraries that all need."""


@dataclass(frozen=True, kw_only=True)
class Broken:
    plugin: str
    distribution: str
    version: str
    reason: str
    traceback: str


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """All of it."""

    harness: str
    """Distribution and version."""
    location: str
    python: str
    platform: str
    dependencies: tuple[Dependency, ...]
    lacks: tuple[Lack, ...]
    folders: tuple[Folder, ...]
    devices: tuple[Device, ...]
    plugins: tuple[Installed, ...]
    broken: tuple[Broken, ...]
    twice: tuple[str, ...]
    """Names that two plugins give and that therefore belong to nobody."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is broken and whatever is required is there in its range."""
        wrong = [i for i in self.dependencies if i.is_needed and i.state != "ok"]
        return not (wrong or self.broken or self.twice)


def examine(load: Callable[[], Plugins], folders: Mapping[str, Path]) -> Checkup:
    """Look at everything.

    Args:
        load: Loads the plugins. Torch is imported before, so that no plugin's time holds its.
        folders: What lies there -> the folder.
    """
    own = own_distribution()
    devices = tuple(find_devices())
    plugins = load()
    asking = dict.fromkeys([own.name, *(origin.distribution for origin in plugins.seconds)])
    tested = locked_versions()
    return Checkup(
        harness=f"{own.name} {own.version}",
        location=str(Path(__file__).parent),
        python=f"{platform.python_version()} ({sys.executable})",
        platform=platform.platform(),
        dependencies=tuple(
            found for name in asking for found in requirements_of(distribution(name), tested)
        ),
        lacks=tuple(find_lacks(plugins)),
        folders=tuple(_folder(what, path) for what, path in folders.items()),
        devices=devices,
        plugins=tuple(_installed(plugins)),
        broken=tuple(map(_broken, plugins.broken)),
        twice=tuple(r.told_twice(name) for r in plugins.registries() for name in r.twice),
    )


def find_lacks(plugins: Plugins) -> Iterator[Lack]:
    """What parts say of themselves, alike ones together, and the harness of its own."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for registry in plugins.registries():
        for provider in registry:
            if isinstance(provider.given, Prerequisites):
                for what, why in _missing(provider.given).items():
                    alike.setdefault((registry.kind, what, why), []).append(provider.name)
    for (kind, what, why), names in alike.items():
        parts = f"{kind} {', '.join(names)}"
        yield Lack(what=f"{parts}: {what}" if what else parts, why=why)
    if why := why_no_parquet():
        yield Lack(what="harness data fetch: hub copies", why=why)


def _missing(part: Prerequisites) -> Mapping[str, str]:
    """A stranger's answer may be an error, which is one more thing that does not work."""
    try:
        return dict(part.missing())
    except Exception as error:
        return {"": f"its `missing` failed: {one_line(error)}"}


def _folder(what: str, path: Path) -> Folder:
    path = path.expanduser().absolute()
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return Folder(
        what=what,
        path=str(path),
        exists=path.is_dir(),
        writable=there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        free_bytes=shutil.disk_usage(there).free,
    )


def find_devices() -> Iterator[Device]:
    """The CPU, then every GPU that torch sees."""
    import torch

    yield Device(
        name="cpu",
        model=platform.processor() or platform.machine(),
        memory_bytes=_main_memory(),
        threads=torch.get_num_threads(),
    )
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Device(
            name=f"cuda:{index}",
            model=properties.name,
            memory_bytes=properties.total_memory,
            threads=None,
        )


def _main_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _installed(plugins: Plugins) -> Iterator[Installed]:
    """Every distribution of which a plugin is in use."""
    ours = own_distribution().name
    aside = {broken.origin for broken in plugins.broken}
    origins = [origin for origin in plugins.seconds if origin not in aside]
    parts = [given.origin.distribution for kind in plugins.registries() for given in kind]
    for name in dict.fromkeys(origin.distribution for origin in origins):
        own = [origin for origin in origins if origin.distribution == name]
        slow = {origin.plugin: round(plugins.seconds[origin], 1) for origin in own if name != ours}
        yield Installed(
            distribution=name,
            version=own[0].version,
            plugins=len(own),
            parts=parts.count(name),
            seconds=round(sum(plugins.seconds[origin] for origin in own), 1),
            slow={plugin: taken for plugin, taken in slow.items() if taken > SLOW_SECONDS},
        )


def _broken(plugin: BrokenPlugin) -> Broken:
    return Broken(
        plugin=plugin.origin.plugin,
        distribution=plugin.origin.distribution,
        version=plugin.origin.version,
        reason=plugin.reason,
        traceback=plugin.traceback,
    )
