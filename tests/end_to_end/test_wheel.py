"""The built wheel holds all that a run needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds what the wheel holds, and nothing of the checkout."""
    wheels, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT)
    (wheel,) = wheels.iterdir()
    install = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
        *("--disable-pip-version-check", "--target", str(site), str(wheel)),
    ]
    subprocess.run(install, check=True, capture_output=True)
    return site


def test_the_wheel_runs_outside_the_checkout(harness: Run, installed: Path, tmp_path: Path) -> None:
    path = {"PYTHONPATH": str(installed)}
    where = subprocess.run(
        [sys.executable, "-c", "import harness, harness_plugins, harness_tasks as t; print(t)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=path,
        check=True,
    )
    assert str(installed) in where.stdout

    done = harness("run", "--pruner", "magnitude", "--tasks", "vqav2@40", "--json", **path)

    assert done.returncode == 0, done.stderr
    (board,) = json.loads(done.stdout)["boards"]
    assert [row["pruner"] for row in board["rows"]] == ["dense", "blind", "magnitude"]
    assert (installed / "harness_plugins" / "lavis" / "lock.txt").is_file()
