"""WebDataset shards: tar files in which ``key.jpg`` and ``key.txt`` or ``key.json`` are one pair.

The layout that img2dataset writes. Of a shard only the headers are read; a drawn image is copied
into the cache, because models read images from files.
"""

import json
import posixpath
import tarfile
from collections.abc import Mapping
from pathlib import Path

from harness.plugin import DataError
from harness_tasks.annotation_files import SUFFIXES, Row
from harness_tasks.calibration.pair_files import PairFile
from harness_tasks.calibration.source_files import kept_image

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
    found: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                if member.isfile():
                    folder, name = posixpath.split(member.name)
                    key, dot, suffix = name.partition(".")
                    place = (member.offset_data, member.size)
                    found.setdefault(posixpath.join(folder, key), {})[dot + suffix.lower()] = place
    except (OSError, tarfile.TarError) as error:
        raise DataError(path, f"not readable as an uncompressed tar file ({error})") from None
    return found


def _caption(path: Path, key: str, members: Members) -> str:
    """The text member, else the field ``caption`` of the JSON member."""
    suffix = next((suffix for suffix in (".txt", ".json") if suffix in members), None)
    if suffix is None:
        raise DataError(path, f"has {', '.join(members)}, but neither .txt nor .json", key)
    try:
        text = _bytes(path, members[suffix]).decode()
        return text.strip() if suffix == ".txt" else _field(text, path, key)
    except ValueError as error:
        raise DataError(path, f"{suffix} cannot be read ({error})", key) from None


def _field(text: str, path: Path, key: str) -> str:
    return Row(json.loads(text), path, key).get("caption", str)


def _bytes(path: Path, place: tuple[int, int]) -> bytes:
    start, size = place
    with path.open("rb") as shard:
        shard.seek(start)
        return shard.read(size)
