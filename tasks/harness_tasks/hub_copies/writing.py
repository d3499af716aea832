"""Write images and annotation files of a converted copy; what is there already stays."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from harness.plugin import Row, brief

#: Of COCO's numbers of images in file names.
MOST_DIGITS = 12
PNG = b"\x89PNG"


def suffix_of(image: bytes) -> str:
    return ".png" if image.startswith(PNG) else ".jpg"


def image_bytes(row: Row, column: str) -> bytes:
    """The encoded image of a row, which stands alone or beside its path.

    Raises:
        DataError: There is none.
    """
    value = row[column]
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(content, bytes):
        raise row.fault(f"column {column!r} holds no bytes of an image")
    return content


def number_in(row: Row, column: str) -> int:
    """A number of at most twelve digits, as such or as text; an image's own name may hold it.

    Raises:
        DataError: It is something else.
    """
    value = row.get(column, int, str)
    digits = PurePosixPath(str(value)).stem.rpartition("_")[2]
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS):
        raise row.fault(f"column {column!r} is {brief(value)}, no number of an image or question")
    return int(digits)


def content_name(*contents: bytes) -> str:
    """Twelve digits for what an image (and a text) holds: a name that no order of rows changes."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one piece, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{os.getpid()}.part")
    made.write_bytes(content)
    made.replace(path)


def write_json(path: Path, content: Any) -> None:
    """The same for JSON."""
    write_bytes(path, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """The same for one JSON object a line."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_bytes(path, "".join(lines).encode())
