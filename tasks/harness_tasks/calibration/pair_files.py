"""Files that list captions beside the names of image files.

LAVIS's JSON is a list of ``{"image": path, "caption": text}``; CC3M's TSV has a caption and an
image per line, the image a path or the URL that it was downloaded from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from harness.plugin import DataError
from harness_tasks.annotation_files import Row, read_json


@dataclass(frozen=True)
class PairFile:
    """One file of pairs, of which only the names are read."""

    names: Sequence[str]
    """Per pair, an id that tells neither where the file lies nor what it is called."""
    read: Callable[[int], tuple[Path, str]]
    """Position -> image and caption; a `DataError` names the file and the row at fault."""


def read_json_pairs(path: Path, cache: Path) -> PairFile:
    content = read_json(path)
    if not isinstance(content, list):
        raise DataError(path, 'a list of {"image": …, "caption": …} is needed')
    rows = [Row(entry, path, f"[{index}]") for index, entry in enumerate(content)]

    def read(position: int) -> tuple[Path, str]:
        row = rows[position]
        image = _find(row.get("image", str), path, f"[{position}]")
        return image, row.get("caption", str)

    return PairFile([row.get("image", str) for row in rows], read)


def read_tsv_pairs(path: Path, cache: Path) -> PairFile:
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    rows = [_split(line, path, f"line {number}") for number, line in enumerate(lines, start=1)]

    def read(position: int) -> tuple[Path, str]:
        caption, image = rows[position]
        return _find(_local(image), path, f"line {position + 1}"), caption

    return PairFile([image for _, image in rows], read)


def _split(line: str, path: Path, place: str) -> tuple[str, str]:
    caption, tab, image = line.rstrip("\r").partition("\t")
    if not tab or "\t" in image:
        raise DataError(path, f"a caption, a tab and an image are needed, not {line!r}", place)
    return caption, image


def _local(image: str) -> str:
    """A path as it stands; of a URL the file's name."""
    return PurePosixPath(urlsplit(image).path).name if "://" in image else image


def _find(image: str, path: Path, place: str) -> Path:
    for folder in (path.parent, path.parent / "images"):
        if (folder / image).is_file():
            return folder / image
    raise DataError(path, f"no image {image} beside the file or in images/", place)
