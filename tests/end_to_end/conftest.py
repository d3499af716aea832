"""The installed command line, strangers' packages, and a small mini run that tests share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

THIRD_PARTY = Path(__file__).parent.parent / "third_party"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that a stranger's package is installed in."""
    return installed("stranger", tmp_path_factory)


@pytest.fixture(scope="session")
def careless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a package whose parts break their contracts."""
    return installed("careless", tmp_path_factory)


def installed(package: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a package of `third_party`; returns the folder to import it from."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / package
    shutil.copytree(THIRD_PARTY / package, source)
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
        *("--no-build-isolation", "--disable-pip-version-check"),
        *("--target", str(folder), str(source)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def harness(cache: Path, tmp_path: Path) -> Run:
    """Run the installed command in an empty folder, without Java and without a network."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "PATH": str(Path(sys.executable).parent),
            "HOME": str(tmp_path),
            "HARNESS_CACHE": str(cache),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
            "PYTHONWARNINGS": "error::DeprecationWarning:harness",
            **environment,
        }
        return subprocess.run(
            [Path(sys.executable).parent / "harness", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**{k: v for k, v in os.environ.items() if k.startswith("LC_")}, **settings},
            timeout=600,
            check=False,
        )

    return run
