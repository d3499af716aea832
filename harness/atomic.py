"""Files and folders that are there in full or not at all."""

from __future__ import annotations

import errno
import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import CheckpointError, InputError, StorageError
from harness.unfinished import ENDING, unfinished_file, unfinished_folder

#: Errors that mean there is no room.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Where to write a file, which takes the place of `path` when it is written.

    Raises:
        StorageError: It cannot be written.
    """
    with stored(path), unfinished_file(path) as temporary:
        yield temporary
        _settle(temporary)
        temporary.replace(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole.

    Raises:
        StorageError: It cannot be written.
    """
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def create(path: Path, content: bytes) -> Path:
    """Make a file that must not change any more; an existing one is left as it is.

    Raises:
        StorageError: It cannot be written.
    """
    with stored(path), unfinished_file(path) as temporary:
        temporary.write_bytes(content)
        _settle(temporary)
        with suppress(FileExistsError):
            os.link(temporary, path)
    return path


@contextmanager
def stored(path: Path) -> Iterator[None]:
    """Say in one line that a file cannot be written, and what to do.

    Raises:
        StorageError: In the place of what the system says.
    """
    try:
        yield
    except Exception as error:
        if (reason := _storage_fault(error)) is None:
            raise
        raise StorageError(
            f"{path}: cannot be written ({reason}); what was filed before is kept, and so are "
            f"finished batches: make room or mend the folder, and run the same again to go on"
        ) from None


def _storage_fault(error: Exception) -> str | None:
    """What the system says, if an error is of a disk; safetensors tells it in words of its own."""
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return "no room is left" if error.errno in FULL else error.strerror or str(error)
    if type(error).__name__ != "SafetensorError":
        return None
    return "no room is left" if "StorageFull" in str(error) else str(error)


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
    try:
        with unfinished_folder(path) as scratch:
            scratch.chmod(0o755)
            yield scratch
            for made in scratch.rglob("*"):
                made.chmod(0o755 if made.is_dir() else 0o644)
            scratch.replace(path)
    except Exception as error:
        if (reason := _storage_fault(error)) is None:
            raise
        raise CheckpointError(f"{path}: cannot be written ({reason})") from None


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
    place = next(parent for parent in path.absolute().parents if parent.exists())
    if reason := _why_unwritable(place):
        raise CheckpointError(
            f"{path}: cannot be written there ({reason}); name a place that can be"
        )


def refuse_unwritable_inside(folder: Path, option: str) -> None:
    """Try whether something can be made in a folder that need not be there yet.

    Args:
        option: What names the folder.

    Raises:
        InputError: It cannot.
    """
    paths = (folder.absolute(), *folder.absolute().parents)
    if reason := _why_unwritable(next(path for path in paths if os.path.lexists(path))):
        raise InputError(
            f"{option} {folder}: cannot be written there ({reason}); name a folder that can be"
        )


def _why_unwritable(place: Path) -> str | None:
    try:
        with tempfile.TemporaryDirectory(prefix=".try.", suffix=ENDING, dir=place):
            return None
    except OSError as error:
        return "no room is left" if error.errno in FULL else error.strerror or str(error)
