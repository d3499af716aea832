"""Versions of what is installed."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, entry_points, version

COMMAND = "harness"


@cache
def own_distribution() -> Distribution:
    """The distribution that brings the command ``harness``, under whatever name it is installed.

    Raises:
        PackageNotFoundError: This source is not installed.
    """
    for entry_point in entry_points(group="console_scripts", name=COMMAND):
        if entry_point.dist is not None and entry_point.value == f"{__package__}.cli:main":
            return entry_point.dist
    raise PackageNotFoundError(COMMAND)


def library_versions(names: Sequence[str]) -> dict[str, str]:
    """Name -> version of those that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
