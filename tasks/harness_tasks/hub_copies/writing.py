"""Write images and annotation files of a converted copy; what is there already stays."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PNG = b"\x89PNG"


def suffix_of(image: bytes) -> str:
    return ".png" if image.startswith(PNG) else ".jpg"


def image_bytes(row: Mapping[str, Any], column: str) -> bytes:
    """The encoded image of a row, which stands alone or beside its path."""
    value = row[column]
    content: bytes = value["bytes"] if isinstance(value, Mapping) else value
    return content


def content_name(*contents: bytes) -> str:
    """Twelve digits for what an image (and a text) holds: a name that no order of rows changes."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one piece, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}")
    made.write_bytes(content)
    made.replace(path)


def write_json(path: Path, content: Any) -> None:
    """The same for JSON."""
    write_bytes(path, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """The same for one JSON object a line."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_bytes(path, "".join(lines).encode())
