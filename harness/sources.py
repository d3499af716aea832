"""The code that a module runs: its own file and all that it imports, followed without running any.

Followed is whatever can be edited under an unchanged version: the packages of plugins, and modules
that lie on the path without having been installed. An installed library counts by its version, one
that is installed to be edited by all of its Python files. Imports are read from the syntax tree,
those inside functions too; those for type checkers alone are no code. Beside its modules a package
counts with its other files, such as word lists and templates.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, distribution, entry_points, packages_distributions
from importlib.util import find_spec
from pathlib import Path
from pkgutil import get_importer, iter_modules
from typing import Any

from harness.imports import (
    ALL,
    attributes_in_source,
    imports_in_bytecode,
    imports_in_source,
)

GROUP = "harness"
#: Files of a package that are modules or made of them.
PYTHON = (".py", ".pyc", ".pyi")
#: Larger files of a package count by size and time of change.
LARGE = 1 << 24


@dataclass(frozen=True, slots=True)
class Code:
    """What a module runs."""

    files: dict[str, str]
    """Module -> SHA-256 of its file; of a package also of the files in it that are no modules."""
    libraries: dict[str, str]
    """Distribution -> version."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(sorted(self.files.items())).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Module:
    digest: str
    imports: frozenset[str]


class Sources:
    """Reads every file once, so that a module stays what it was when this process imported it.

    Args:
        read: Gives the bytes of a file.
    """

    def __init__(self, read: Callable[[Path], bytes] = Path.read_bytes) -> None:
        self._read = read
        self._modules: dict[str, _Module | None] = {}
        self._specs: dict[str, ModuleSpec | None] = {}

    def follow(
        self,
        starts: Sequence[str],
        *,
        bases: Sequence[str] = (),
        beside: Iterable[str] = (),
        without: Iterable[str] = (),
    ) -> Code:
        """What modules run, directly or not.

        Args:
            bases: More to start from; unlike `starts`, libraries stay libraries.
            beside: Modules that count with their own file alone.
            without: Packages and modules that are not looked into.
        """
        own, closed = {_top(name) for name in starts}, set(without)
        code = Code({}, {})
        todo, seen = [*starts, *bases], set[str]()
        while todo:
            name = todo.pop()
            if name in seen or closed.intersection(_lineage(name)):
                continue
            seen.add(name)
            top = _top(name)
            library = None if top in own else _library(top)
            if library is not None:
                code.libraries.update(library)
            elif (module := self._module(name)) is not None:
                code.files[name] = module.digest
                todo += [*_lineage(name), *module.imports]
        for name in beside:
            if (module := self._module(name)) is not None:
                code.files[name] = module.digest
        return code

    def modules_in(self, package: str) -> list[str]:
        """Names of the modules that lie in a package."""
        places = self._places(package)
        folders = [path for place in places for path in Path(place).glob("*/")]
        found = {module.name for module in iter_modules(places)}
        return sorted(found | {path.name for path in folders if path.name != "__pycache__"})

    def _module(self, name: str) -> _Module | None:
        """A module as it lies on the disk; None where there is no file, as for built-in ones."""
        if name not in self._modules:
            spec = self._spec(name)
            self._modules[name] = None if spec is None else self._open(name, spec)
        return self._modules[name]

    def _open(self, name: str, spec: ModuleSpec) -> _Module | None:
        places = self._places(name)
        if spec.origin in (None, "built-in", "frozen"):
            return _Module(self._digest(b"", places), frozenset()) if places else None
        try:
            content = self._content(spec)
        except OSError:
            return None
        found = self._imports(name, spec, content)
        return _Module(self._digest(content, places), frozenset(found))

    def _content(self, spec: ModuleSpec) -> bytes:
        """The bytes of its file; of a module in an archive those of the archive."""
        archive = getattr(spec.loader, "archive", None)
        return self._read(Path(archive or str(spec.origin)))

    def _imports(self, name: str, spec: ModuleSpec, content: bytes) -> Iterator[str]:
        loader: Any = spec.loader
        package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
        if getattr(loader, "archive", None):
            content = (loader.get_source(name) or "").encode()
        if str(spec.origin).endswith(".py"):
            found = imports_in_source(content)
        elif str(spec.origin).endswith(".pyc"):
            found = imports_in_bytecode(loader.get_code(name))
        else:  # an extension module
            return
        for module, names in found.absolute(package):
            yield module
            if _top(module) == _top(name) or _library(_top(module)) is None:
                inside = list(self._submodules(module, names))
                bound = inside if names else _lineage(module)
                yield from inside
                yield from self._used(bound, content)
        if found.is_computed:
            yield from self._all_below(_top(name))

    def _submodules(self, package: str, names: Sequence[str]) -> Iterator[str]:
        """Those of the names that are modules of a package; ``*`` is any of them."""
        found = self.modules_in(package)
        chosen = found if ALL in names else set(found).intersection(names)
        yield from (f"{package}.{name}" for name in chosen)

    def _used(self, packages: Sequence[str], content: bytes) -> Iterator[str]:
        """Modules that are used as attributes of a package: ``import kit`` and ``kit.scale.of()``.

        Somebody else may have imported them; any attribute of that name counts.
        """
        todo = [package for package in packages if self._places(package)]
        while todo:
            package = todo.pop()
            inside = set(self.modules_in(package)).intersection(attributes_in_source(content))
            found = [f"{package}.{name}" for name in inside]
            yield from found
            todo += [module for module in found if self._places(module)]

    def _all_below(self, package: str) -> Iterator[str]:
        """Every module of a package, where it cannot be told which are imported."""
        for place in self._places(package):
            for path in sorted(Path(place).rglob("*.py")):
                parts = path.relative_to(place).with_suffix("").parts
                yield ".".join([package, *(part for part in parts if part != "__init__")])

    def _places(self, package: str) -> Sequence[str]:
        """The folders of a package; a module has none."""
        spec = self._spec(package)
        return list(spec.submodule_search_locations or ()) if spec is not None else []

    def _spec(self, name: str) -> ModuleSpec | None:
        """Where a module lies; no module is run to find it."""
        if name not in self._specs:
            self._specs[name] = self._find(name)
        return self._specs[name]

    def _find(self, name: str) -> ModuleSpec | None:
        parent = name.rpartition(".")[0]
        if not parent:
            try:
                return find_spec(name)
            except ValueError:  # a module made by hand, such as __main__
                return None
        return _find_in(self._places(parent), name)

    def _digest(self, content: bytes, places: Sequence[str]) -> str:
        hasher = hashlib.sha256(content)
        for place in places:
            for path in _other_files(Path(place)):
                hasher.update(path.relative_to(place).as_posix().encode())
                hasher.update(self._told(path))
        return hasher.hexdigest()

    def _told(self, path: Path) -> bytes:
        about = path.stat()
        if about.st_size > LARGE:
            return f"{about.st_size} {about.st_mtime_ns}".encode()
        return hashlib.sha256(self._read(path)).digest()


def _find_in(places: Sequence[str], name: str) -> ModuleSpec | None:
    """A module in the folders of its package, which need not have been imported."""
    portions: list[str] = []
    for place in places:
        importer: Any = get_importer(place)
        found: ModuleSpec | None = importer and importer.find_spec(name)
        if found is not None and found.loader is not None:
            return found
        portions += (found and found.submodule_search_locations) or []
    if not portions:
        return None
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = portions
    return spec


def _other_files(folder: Path) -> Iterator[Path]:
    """Files of a package that are no modules; folders inside it count if no module is in them."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            if not any(path.rglob("*.py")):
                yield from _other_files(path)
        elif path.suffix not in PYTHON:
            yield path


def _top(name: str) -> str:
    return name.partition(".")[0]


def _lineage(name: str) -> list[str]:
    """The module and the packages it lies in: Python runs them all."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


@cache
def _library(top: str) -> dict[str, str] | None:
    """Versions of what is installed under a top-level name; None if it is code to be followed."""
    if top in sys.stdlib_module_names:
        return {}
    givers = _givers().get(top, [])
    if not givers or any(name in _plugins() for name in givers):
        return None
    return {name: _version(distribution(name), top) for name in givers}


@cache
def _givers() -> dict[str, list[str]]:
    return {top: sorted(set(names)) for top, names in packages_distributions().items()}


@cache
def _plugins() -> frozenset[str]:
    found = entry_points(group=GROUP)
    return frozenset(point.dist.name for point in found if point.dist is not None)


def _version(installed: Distribution, top: str) -> str:
    """Its version; where it is installed to be edited, with the hash of its Python files."""
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return installed.version
    spec, hasher = find_spec(top), hashlib.sha256()
    for place in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(place).rglob("*.py")):
            hasher.update(path.read_bytes())
    return f"{installed.version} edited {hasher.hexdigest()[:12]}"
