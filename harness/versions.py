"""Versions of what is installed."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version


def library_versions(names: Sequence[str]) -> dict[str, str]:
    """Name -> version of those that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
