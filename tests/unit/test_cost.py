"""The commit in a record is that of the harness's own working copy, wherever results lie."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.circumstances import Commit
from harness.cost import commit_of


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A working copy with a package in it, nothing changed."""
    package = tmp_path / "copy" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    git(package.parent, "init", "-q")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-qm", "first")
    return package.parent


@pytest.mark.parametrize("where", ["inside", "outside", "root", "relative"])
def test_an_edit_is_told_wherever_results_lie(
    where: str, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {
        "inside": copy / "results",
        "outside": tmp_path / "elsewhere",
        "root": copy,
        "relative": Path("results"),
    }
    monkeypatch.chdir(copy / "package" if where == "relative" else tmp_path)
    results, head = places[where], git(copy, "rev-parse", "HEAD")
    written = results.resolve() / "records" / "x.json"
    written.parent.mkdir(parents=True)
    written.write_text("{}")

    assert commit_of(copy / "package", results) == Commit(hash=head, dirty=False)
    (copy / "package" / "__init__.py").write_text("edited = True")
    assert commit_of(copy / "package", results) == Commit(hash=head, dirty=True)


def test_the_folder_that_a_command_is_called_in_plays_no_part(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "mine.txt").write_text("not of the package's commit")
    other = tmp_path / "installed" / "package"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("")
    monkeypatch.chdir(copy)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path))

    assert commit_of(other, Path("results")) is None


def test_what_is_installed_inside_a_working_copy_is_none_of_it(copy: Path) -> None:
    installed = copy / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    (copy / ".gitignore").write_text(".venv\n")

    assert commit_of(installed, copy / "results") is None


def test_without_git_there_is_no_commit(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert commit_of(copy / "package", copy / "results") is None
