"""Hashes of files, and of the tensors in a safetensors file, read piece by piece."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import BinaryIO

from harness.errors import CheckpointError

#: What reading a file that is none of safetensors' may raise.
UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError),
    *(struct.error, EOFError, RecursionError),
)
#: Bytes that are hashed at once.
PIECE = 1 << 24


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None


def tensor_digests(path: Path) -> dict[str, str]:
    """Tensor -> SHA-256 of its bytes, read piece by piece.

    A safetensors file is the length of its header, the header as JSON, and the tensors' bytes.

    Raises:
        CheckpointError: The file cannot be read; a tensor that is cut off is named.
    """
    try:
        with path.open("rb") as file:
            start, places = _places(file, path.stat().st_size)
            return {
                name: _hash_part(file, start + first, start + last, name)
                for name, (first, last) in places.items()
            }
    except UNREADABLE as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None


def _places(file: BinaryIO, size: int) -> tuple[int, dict[str, tuple[int, int]]]:
    """Where the tensors' bytes start, and where each one's lie from there."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > size:
        raise EOFError("it ends within its header")
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    places = {name: tuple(entry["data_offsets"]) for name, entry in header.items()}
    for name, (first, last) in places.items():
        if not (type(first) is type(last) is int and 0 <= first <= last <= size):
            raise ValueError(f"tensor {name} lies nowhere in it")
    return 8 + length, places


def _hash_part(file: BinaryIO, start: int, stop: int, name: str) -> str:
    hasher = hashlib.sha256()
    file.seek(start)
    for place in range(start, stop, PIECE):
        piece = file.read(min(PIECE, stop - place))
        if len(piece) < min(PIECE, stop - place):
            raise EOFError(f"it ends within tensor {name}")
        hasher.update(piece)
    return hasher.hexdigest()
