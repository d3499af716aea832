"""WebDataset shards: tar files in which ``key.jpg`` and ``key.txt`` or ``key.json`` are one pair.

The layout that img2dataset writes. Of a shard only the headers are read; a drawn image is copied
into the cache, because models read images from files.
"""

import posixpath
import tarfile
from collections.abc import Mapping
from pathlib import Path

from harness.plugin import DataError, Row, brief, listed, why_outside
from harness_tasks.annotation_files import SUFFIXES
from harness_tasks.calibration.pair_files import PairFile
from harness_tasks.calibration.source_files import kept_image
from harness_tasks.json_text import parse_json

Members = Mapping[str, tuple[int, int]]
"""Suffix -> where its bytes begin in the shard, and how many they are."""


def read_shard(path: Path, cache: Path) -> PairFile:
    by_key = _members(path)
    keys = sorted(key for key, members in by_key.items() if not members.keys().isdisjoint(SUFFIXES))

    def read(position: int) -> tuple[Path, str]:
        key = keys[position]
        members = by_key[key]
        image = next(members[suffix] for suffix in SUFFIXES if suffix in members)
        return kept_image(_bytes(path, image), cache), _caption(path, key, members)

    if not keys:
        raise DataError(path, "holds no images")
    return PairFile(keys, read)


def _members(path: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Places of the members by key and suffix; nothing is written by a member's own name.

    Raises:
        DataError: The shard cannot be read, or a name leads outside or stands there twice.
    """
    found: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                if member.isfile():
                    _add(member, found, path)
    except (OSError, ValueError, tarfile.TarError) as error:
        raise DataError(path, f"not readable as an uncompressed tar file ({error})") from None
    return found


def _add(member: tarfile.TarInfo, found: dict[str, dict[str, tuple[int, int]]], path: Path) -> None:
    place = f"member {brief(member.name)}"
    if why := why_outside(member.name):
        raise DataError(path, f"its name {why}", place)
    if member.offset_data + member.size > path.stat().st_size:
        raise DataError(path, f"{member.size:,} bytes long, which end behind the file's end", place)
    folder, name = posixpath.split(posixpath.normpath(member.name))
    key, dot, suffix = name.partition(".")
    members = found.setdefault(posixpath.join(folder, key), {})
    if dot + suffix.lower() in members:
        raise DataError(path, "stands there twice", place)
    members[dot + suffix.lower()] = member.offset_data, member.size


def _caption(path: Path, key: str, members: Members) -> str:
    """The text member, else the field ``caption`` of the JSON member."""
    suffix = next((suffix for suffix in (".txt", ".json") if suffix in members), None)
    if suffix is None:
        raise DataError(path, f"has {listed(members)}, but neither .txt nor .json", key)
    content = _bytes(path, members[suffix])
    if suffix == ".json":
        return Row(parse_json(content, path, key), path, key).get("caption", str)
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise DataError(path, f".txt is not UTF-8 ({error})", key) from None


def _bytes(path: Path, place: tuple[int, int]) -> bytes:
    start, size = place
    with path.open("rb") as shard:
        shard.seek(start)
        return shard.read(size)
