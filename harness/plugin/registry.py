"""Name -> provider, one registry per kind, with where each comes from."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from harness.errors import DuplicateNameError, UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a provider comes from."""

    plugin: str
    """Name of the entry point."""
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.plugin})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Generic[T]):
    """One named thing that a plugin gives."""

    name: str
    given: T
    """The class, or the value itself (recipes)."""
    origin: Origin

    def source_digest(self) -> str:
        """Hash of the files that define it, so that an edited plugin is told from the old one.

        That is the file of the class and those of its own package that this one imports from.
        """
        if not inspect.isclass(self.given):
            return hashlib.sha256(repr(self.given).encode()).hexdigest()
        hasher = hashlib.sha256()
        for _, module in sorted(_own_modules(sys.modules[self.given.__module__], {}).items()):
            hasher.update(Path(module.__file__ or "").read_bytes())
        return hasher.hexdigest()


def _own_modules(module: ModuleType, found: dict[str, ModuleType]) -> dict[str, ModuleType]:
    """The module and all of its package whose classes and functions it uses, by name."""
    found[module.__name__] = module
    package = module.__name__.partition(".")[0]
    for value in list(vars(module).values()):
        name = getattr(value, "__module__", None)
        if isinstance(name, str) and name.partition(".")[0] == package and name not in found:
            _own_modules(sys.modules[name], found)
    return found


class Registry(Generic[T]):
    """All providers of one kind; a name given twice belongs to nobody."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.beside: Callable[[], str] = str
        """Tells what might have given a name that is missing here."""
        self._providers: dict[str, list[Provider[T]]] = {}

    def add(self, provider: Provider[T]) -> None:
        self._providers.setdefault(provider.name, []).append(provider)

    def get(self, name: str) -> Provider[T]:
        """Find a provider.

        Raises:
            UnknownNameError: Nothing has that name; near matches are listed.
            DuplicateNameError: Two plugins give it; both distributions are named.
        """
        found = self._providers.get(name, [])
        if not found:
            raise self.unknown(name)
        if len(found) > 1:
            raise DuplicateNameError(self.told_twice(name))
        return found[0]

    def told_twice(self, name: str) -> str:
        """Who gives a name that belongs to nobody, and what to do."""
        origins = [provider.origin for provider in self._providers[name]]
        is_own = len({origin.distribution for origin in origins}) == 1
        givers = " and ".join(map(str, origins))
        hint = "rename one of them" if is_own else "uninstall one of them"
        return f"{self.kind} {name!r} is given by {givers}; {hint}"

    @property
    def twice(self) -> list[str]:
        """Names that belong to nobody."""
        return [name for name, found in sorted(self._providers.items()) if len(found) > 1]

    def unknown(self, name: str) -> UnknownNameError:
        """The error that says that nothing has that name."""
        return UnknownNameError(self.kind, name, self._providers, beside=self.beside())

    def __contains__(self, name: str) -> bool:
        return name in self._providers

    def __iter__(self) -> Iterator[Provider[T]]:
        """Every provider, by name; duplicates one after the other."""
        for name in sorted(self._providers):
            yield from self._providers[name]
