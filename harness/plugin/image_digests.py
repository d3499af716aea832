"""Hashes of images: a file is read once, and its hash kept beside the caches.

    <cache>/image-digests/<hash of a path>.json, of the folder above the images' own

A hash is that of the file as long as its size, its time of change and its inode are the same. A
file of hashes is replaced as a whole, and one whose own checksum is wrong counts as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from harness.atomic import write_atomically
from harness.errors import DataError, StorageError

#: Seconds in which a file system's clock may not tick: what is younger may change unseen.
TICK = 0.01
#: Bytes that are hashed at once.
PIECE = 1 << 20
#: Size, time of change in ns and inode of a file.
State = tuple[int, int, int]
Kept = dict[str, list[Any]]
"""Names of what is shown -> states of the files, then the hash."""


class ImageDigests:
    """A context in which every image is looked at once; what was hashed is kept at its end.

    Args:
        cache: Cache folder; None = nothing is kept.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._folder = None if cache is None else cache / "image-digests"
        self._seen: dict[tuple[bytes, tuple[Path, ...]], str] = {}
        self._kept: dict[Path, Kept] = {}
        self._new: defaultdict[Path, Kept] = defaultdict(dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for folder, new in self._new.items():
            self._keep(folder, new)
        self._new.clear()

    def of(self, begin: bytes, images: tuple[Path, ...]) -> str:
        """SHA-256 of `begin` and the bytes of the images.

        Raises:
            DataError: An image is missing or cannot be read.
        """
        if (begin, images) not in self._seen:
            self._seen[begin, images] = self._look_up(begin, images)
        return self._seen[begin, images]

    def _look_up(self, begin: bytes, images: tuple[Path, ...]) -> str:
        if self._folder is None:
            return _read(begin, images)[1]
        first, *others = map(os.path.abspath, images)
        folder = Path(first).parent.parent
        if folder not in self._kept:
            self._kept[folder] = _load(self._file(folder))
        name = "\0".join([begin.decode(), os.path.relpath(first, folder), *others])
        *states, digest = self._kept[folder].get(name, [""])
        if digest and states == [list(_state(os.stat, image)) for image in images]:
            return str(digest)
        found, digest = _read(begin, images)
        self._new[folder][name] = [*map(list, found), digest]
        return digest

    def _file(self, folder: Path) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}.json"

    def _keep(self, folder: Path, new: Kept) -> None:
        """Add to what other processes have kept meanwhile."""
        path = self._file(folder)
        text = json.dumps(_load(path) | new, separators=(",", ":")).encode()
        try:
            write_atomically(path, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        except StorageError:
            return  # a cache that is full or read-only: the next run reads the images again


def _load(path: Path) -> Kept:
    try:
        checksum, _, text = path.read_bytes().partition(b"\n")
    except OSError:
        return {}
    if checksum.decode(errors="replace") != hashlib.sha256(text).hexdigest():
        return {}
    found: Kept = json.loads(text)
    return found


def _state(stat: Any, file: Any) -> State:
    found = stat(file)
    return found.st_size, found.st_mtime_ns, found.st_ino


def _read(begin: bytes, images: Iterable[Path]) -> tuple[list[State], str]:
    """The files' states and the hash of all; a file that has just changed is waited for."""
    hasher = hashlib.sha256(begin)
    states = []
    for image in images:
        try:
            with image.open("rb") as file:
                age = time.time() - os.fstat(file.fileno()).st_mtime
                if 0 <= age < TICK:
                    time.sleep(TICK - age)
                states.append(_state(os.fstat, file.fileno()))
                while piece := file.read(PIECE):
                    hasher.update(piece)
        except FileNotFoundError:
            raise DataError(image, "no such image") from None
        except OSError as error:
            raise DataError(image, f"cannot be read ({error.strerror})") from None
    return states, hasher.hexdigest()
