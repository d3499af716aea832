"""Files and folders that are being written, under names of their own until they are whole.

Whoever writes one holds a lock on it, which ends with the process however that ends: what a killed
process left is told from what a living one is writing, and is removed when the same is written
again.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ENDING = ".part"
TRIES = 10


@contextmanager
def unfinished_file(path: Path) -> Iterator[Path]:
    """A new empty file beside `path`; gone at the end unless it was moved.

    Raises:
        OSError: It cannot be made.
    """
    handle, name = _locked(path, _new_file)
    try:
        yield name
    finally:
        name.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def unfinished_folder(path: Path) -> Iterator[Path]:
    """A new empty folder beside `path`; gone at the end unless it was moved.

    Raises:
        OSError: It cannot be made.
    """
    handle, name = _locked(path, _new_folder)
    try:
        yield name
    finally:
        shutil.rmtree(name, ignore_errors=True)
        os.close(handle)


def clear_unfinished(folder: Path, pattern: str = f"**/.*{ENDING}") -> None:
    """Remove what killed processes left in a folder; what a living one writes stays."""
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError):  # gone meanwhile, locked, or on a file system without locks
            _remove_if_left(path)


def _locked(path: Path, make: Callable[[Path], tuple[int, Path]]) -> tuple[int, Path]:
    """Make it and lock it; anew where another process took it for a left one in between."""
    for _ in range(TRIES):
        with suppress(FileNotFoundError):  # the folder was removed meanwhile
            path.parent.mkdir(parents=True, exist_ok=True)
            clear_unfinished(path.parent, f".{glob.escape(path.name)}.*{ENDING}")
            handle, name = make(path)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            if name.exists():
                return handle, name
            os.close(handle)
    raise FileNotFoundError(f"{path.parent} is removed again and again")


def _new_file(path: Path) -> tuple[int, Path]:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=ENDING, dir=path.parent)
    return handle, Path(name)


def _new_folder(path: Path) -> tuple[int, Path]:
    name = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=ENDING, dir=path.parent)
    return os.open(name, os.O_RDONLY), Path(name)


def _remove_if_left(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(handle)
