"""Name -> provider, one registry per kind, with where each comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    module: str = ""
    """The one that the entry point names."""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.plugin})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Generic[T]):
    """One named thing that a plugin gives."""

    name: str
    given: T
    """The class, or the value itself (recipes)."""
    origin: Origin


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
