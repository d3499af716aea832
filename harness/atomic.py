"""Files and folders that are there in full or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import CheckpointError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Where to write a file, which takes the place of `path` when it is written."""
    with _beside(path) as temporary:
        yield temporary
        _settle(temporary)
        temporary.replace(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def create(path: Path, content: bytes) -> Path:
    """Make a file that must not change any more; an existing one is left as it is."""
    with _beside(path) as temporary:
        temporary.write_bytes(content)
        _settle(temporary)
        with suppress(FileExistsError):
            os.link(temporary, path)
    return path


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """On the disk, and readable by everyone."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.chmod(0o644)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Where to write a folder, which takes the name `path` when all of it is written.

    Raises:
        CheckpointError: There is such a folder already and it is not empty, or it cannot be
            written.
    """
    refuse_filled(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        scratch.chmod(0o755)
        yield scratch
        for made in scratch.rglob("*"):
            made.chmod(0o755 if made.is_dir() else 0o644)
        scratch.replace(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error})") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def refuse_filled(path: Path) -> None:
    """A folder to be written has to be new or empty, in a place that can be written to.

    Raises:
        CheckpointError: It is neither, or the place cannot.
    """
    refuse_unwritable(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CheckpointError(f"{path}: is not empty; nothing is overwritten")


def refuse_unwritable(path: Path) -> None:
    """Try whether something can be made beside `path`, and leave nothing behind.

    Raises:
        CheckpointError: It cannot.
    """
    try:
        place = next(parent for parent in path.absolute().parents if parent.exists())
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=place):
            pass
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written there ({error.strerror}); name a place that can be"
        ) from None
