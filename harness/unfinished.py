"""Files and folders that are being written, under names of their own until they are whole.

Whoever writes one holds a lock on it, which ends with the process however that ends: what a killed
process left is told from what a living one is writing, and is removed when the same is written
again.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ENDING = ".part"
TRIES = 10


@contextmanager
def unfinished_file(path: Path) -> Iterator[Path]:
    """Where to write a file, in a folder of its own beside `path`; gone at the end unless moved.

    What is locked is that folder: whoever writes the file may put another in its place.

    Raises:
        OSError: It cannot be made.
    """
    with unfinished_folder(path) as folder:
        yield folder / path.name


@contextmanager
def unfinished_folder(path: Path) -> Iterator[Path]:
    """A new empty folder beside `path`; gone at the end unless it was moved.

    Raises:
        OSError: It cannot be made.
    """
    handle, name = _new_folder(path)
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


def _new_folder(path: Path) -> tuple[int, Path]:
    """Make and lock it; anew where another process took it for a left one in between."""
    for _ in range(TRIES):
        with suppress(FileNotFoundError):  # the folder around it was removed meanwhile
            path.parent.mkdir(parents=True, exist_ok=True)
            clear_unfinished(path.parent, f".{glob.escape(path.name)}.*{ENDING}")
            made = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=ENDING, dir=path.parent)
            handle = os.open(made, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            if Path(made).exists():
                return handle, Path(made)
            os.close(handle)
    raise FileNotFoundError(errno.ENOENT, "removed again and again", str(path.parent))


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
