"""What is locked is what `pyproject.toml` asks for: the newest that was tested, and the oldest."""

import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
LAVIS = ROOT / "plugins" / "harness_plugins" / "lavis"


def pins(path: Path) -> dict[str, Version]:
    """Package -> version that this interpreter would take."""
    requirements = [
        Requirement(line)
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return {
        canonicalize_name(requirement.name): Version(next(iter(requirement.specifier)).version)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def asked() -> Iterator[Requirement]:
    """What the distribution needs, its extras included; itself apart."""
    for text in chain(PROJECT["project"]["dependencies"], *EXTRAS.values()):
        requirement = Requirement(text)
        if requirement.name != PROJECT["project"]["name"]:
            yield requirement


LOCK = pins(ROOT / "constraints" / "lock.txt")
OLDEST = pins(ROOT / "constraints" / "oldest.txt")
ASKED = pytest.mark.parametrize("requirement", list(asked()), ids=lambda r: r.name)


@ASKED
def test_every_requirement_is_locked_within_its_range(requirement: Requirement) -> None:
    assert LOCK[canonicalize_name(requirement.name)] in requirement.specifier


@ASKED
def test_the_oldest_version_that_is_admitted_is_the_oldest_that_is_tested(
    requirement: Requirement,
) -> None:
    floors = {Version(s.version) for s in requirement.specifier if s.operator in {">=", "=="}}

    assert floors == {OLDEST[canonicalize_name(requirement.name)]}


def test_torch_is_the_one_that_is_named() -> None:
    assert LOCK["torch"] == pins(ROOT / "constraints" / "torch.txt")["torch"]


def test_what_builds_the_distribution_is_locked_too() -> None:
    wanted = [Requirement(text) for text in PROJECT["build-system"]["requires"]]

    assert {r.name: str(r.specifier) for r in wanted} == {
        r.name: f"=={LOCK[canonicalize_name(r.name)]}" for r in wanted
    }


def test_lavis_is_locked_by_what_it_needs() -> None:
    locked = pins(LAVIS / "lock.txt")

    for line in (LAVIS / "requirements.txt").read_text().splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line)
            assert locked[canonicalize_name(requirement.name)] in requirement.specifier
