"""Every guard is missed by its tests when it is taken out: ``tox -e guards`` proves each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guards.guards import GUARDS, Guard

ROOT = Path(__file__).parents[2]
QUICKLY = ("-x", "-q", "-p", "no:cacheprovider")
TREES = ("harness", "plugins", "tasks", "tests")


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stands_where_it_is_said_to(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text().count(guard.text) == 1


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project that may be spoilt."""
    copy = tmp_path_factory.mktemp("tree")
    for name in TREES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "docs"):
        (copy / name).symlink_to(ROOT / name)
    return copy


@pytest.mark.guards
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_its_tests_fail_without_it(guard: Guard, tree: Path) -> None:
    path = tree / guard.file
    whole = path.read_text()
    path.write_text(whole.replace(guard.text, guard.without))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *QUICKLY, *guard.tests.split()],
            capture_output=True,
            text=True,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, _paths(tree)))},
            check=False,
        )
    finally:
        path.write_text(whole)

    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-2000:] + done.stderr
    assert "1 failed" in done.stdout


def _paths(tree: Path) -> tuple[Path, ...]:
    return tree, tree / "plugins", tree / "tasks"
