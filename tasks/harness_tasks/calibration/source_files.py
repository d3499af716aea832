"""The files of a source: which of a folder's are meant, and what is unpacked into the cache."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

from harness.plugin import DataError, InputError, written_whole

#: Where a folder's files may lie; hub copies of data sets have theirs in ``data/``.
PLACES = ("", "data")
HELD_OUT = ("val", "test")
#: How often its own size a gzipped text unpacks to at most; C4's shards do so three times.
MOST_PACKED = 200
#: Bytes that are unpacked at once.
PIECE = 1 << 20


def source_path(path: Path | None, source: str, what: str = "DIR") -> Path:
    """The path that the source was given.

    Raises:
        InputError: It was given none.
    """
    if path is None:
        raise InputError(f"calibration source {source} needs a path: --calibration {source}={what}")
    return path


def source_files(path: Path, wanted: str, suffixes: Sequence[str]) -> list[Path]:
    """The file itself, or the files of a folder that match `wanted`, by name.

    Raises:
        DataError: There are none, they are of several kinds, or a train split lies among others.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(path, "no such file or folder")
    found = sorted(
        file
        for place in PLACES
        for file in (path / place).glob("*")
        if fnmatch(file.name, wanted) and file.name.endswith(tuple(suffixes)) and file.is_file()
    )
    if not found:
        named = "" if wanted == "*" else f" that matches {wanted}"
        raise DataError(path, f"holds no {', '.join(suffixes)} file{named}")
    _refuse_mixture(path, found)
    return found


def _refuse_mixture(folder: Path, files: list[Path]) -> None:
    by_kind = {file.suffix: file.name for file in files}
    if len(by_kind) > 1:
        raise DataError(folder, f"holds {' and '.join(by_kind.values())}; say files=*PATTERN*")
    train = [file.name for file in files if "train" in file.name]
    held_out = [f.name for f in files if any(split in f.name for split in HELD_OUT)]
    if train and held_out:
        raise DataError(folder, f"holds {train[0]} and {held_out[0]}; say files=*train*")


def kept_image(content: bytes, cache: Path) -> Path:
    """An image out of an archive as a file, named by the hash of its bytes."""
    digest = hashlib.sha256(content).hexdigest()
    path = cache / "images" / digest[:2] / digest
    if not path.is_file() or path.read_bytes() != content:
        with written_whole(path) as made:
            made.write_bytes(content)
    return path


def unpacked(path: Path, cache: Path) -> Path:
    """A gzipped file unpacked, named by the hash of its bytes, so that it can be read anywhere in.

    Raises:
        DataError: It is no whole gzip file, or holds more than any text does.
    """
    with path.open("rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    most = MOST_PACKED * path.stat().st_size

    def unpack(file: IO[bytes]) -> None:
        with gzip.open(path) as packed:
            while piece := packed.read(PIECE):
                file.write(piece)
                if file.tell() > max(most, PIECE):
                    raise DataError(path, f"unpacks to more than {MOST_PACKED} times its size")

    try:
        return _made_once(cache / "unpacked" / digest, unpack)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(path, f"cannot be unpacked ({error})") from None


def _made_once(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """A file of the cache, written in one piece unless it is there as it was written."""
    told = path.with_name(f"{path.name}.sha256")
    if not (path.is_file() and told.is_file() and told.read_bytes() == _digest(path)):
        with written_whole(path) as made, made.open("wb") as file:
            write(file)
        with written_whole(told) as made:
            made.write_bytes(_digest(path))
    return path


def _digest(path: Path) -> bytes:
    """SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().encode()
