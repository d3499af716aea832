"""What distributions ask for: the range, what is installed and what was tested."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

State = Literal["ok", "missing", "outside"]
#: The extra for those who develop the harness: nothing that a user may miss.
DEVELOPERS = "test"
#: The lock, which says what was tested: where it lies in a wheel, and in a working copy.
LOCKS = (
    Path(__file__).parent / "lock.txt",
    Path(__file__).parent.parent / "constraints" / "lock.txt",
)


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """One distribution that another asks for."""

    name: str
    of: str
    """The distribution that asks."""
    extra: str
    """The extra that it belongs to; "" = it is required."""
    installed: str | None
    wanted: str
    """The range in the metadata, e.g. ``>=5.15,<6``; "" = any."""
    tested: str | None
    """The locked version; None = not known."""
    state: State

    @property
    def is_needed(self) -> bool:
        """Whether it may be neither missing nor of another version."""
        return not self.extra


def requirements_of(given: Distribution, tested: Mapping[str, str]) -> Iterator[Dependency]:
    """Each distribution that one asks for, required ones first, as far as it counts here."""
    found: dict[tuple[str, str], Dependency] = {}
    for text in given.requires or ():
        requirement = Requirement(text)
        extra = _extra_of(requirement.marker)
        if extra == DEVELOPERS or not _counts_here(requirement.marker, extra):
            continue
        name = canonical(requirement.name)
        installed = _version_of(name)
        found[extra, name] = Dependency(
            name=name,
            of=given.name,
            extra=extra,
            installed=installed,
            wanted=str(requirement.specifier),
            tested=tested.get(name),
            state=_state(requirement, installed),
        )
    return iter([found[key] for key in sorted(found)])


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _state(requirement: Requirement, installed: str | None) -> State:
    if installed is None:
        return "missing"
    return (
        "ok" if requirement.specifier.contains(Version(installed), prereleases=True) else "outside"
    )


def _version_of(name: str) -> str | None:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def _extra_of(marker: Marker | None) -> str:
    found = re.search(r"""extra == ['"]([^'"]+)['"]""", str(marker or ""))
    return found[1] if found else ""


def _counts_here(marker: Marker | None, extra: str) -> bool:
    return marker is None or marker.evaluate({"extra": extra})


def locked_versions() -> dict[str, str]:
    """Distribution -> the locked version, which is tested; none where there is no lock file."""
    path = next((path for path in LOCKS if path.is_file()), None)
    return {} if path is None else read_lock(path.read_text(encoding="utf-8"))


def read_lock(text: str) -> dict[str, str]:
    """The versions of a lock file that count on this machine, by lines ``name==version ; marker``.

    >>> read_lock("a==1.0\\n# b==2\\nC_d==3 ; sys_platform == 'nowhere'\\n")
    {'a': '1.0'}
    """
    found = {}
    for line in text.splitlines():
        pinned, _, marker = line.partition("#")[0].partition(";")
        name, equals, version = pinned.strip().partition("==")
        if equals and (not marker.strip() or Marker(marker.strip()).evaluate()):
            found[canonical(name)] = version
    return found
