"""Files that list captions beside the names of image files.

LAVIS's JSON is a list of ``{"image": path, "caption": text}``; CC3M's TSV has a caption and an
image per line, the image a path or the URL that it was downloaded from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from harness.plugin import DataError, Row, brief, listed
from harness_tasks.annotation_files import read_json, read_lines


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
        return _find(row, row.get("image", str)), row.get("caption", str)

    return PairFile([row.get("image", str) for row in rows], read)


def read_tsv_pairs(path: Path, cache: Path) -> PairFile:
    """An image may have several captions, and a caption several images; all are pairs."""
    rows = [_split(line, path, place) for place, line in read_lines(path)]

    def read(position: int) -> tuple[Path, str]:
        row = rows[position]
        return _find(row, _local(row.get("image", str))), row.get("caption", str)

    return PairFile([row.get("image", str) for row in rows], read)


def _split(line: str, path: Path, place: str) -> Row:
    caption, tab, image = line.rstrip("\r").partition("\t")
    if not tab or "\t" in image:
        told = brief(line)
        raise DataError(path, f"a caption, a tab and an image are needed, not {told}", place)
    return Row({"caption": caption, "image": image}, path, place)


def _local(image: str) -> str:
    """A path as it stands; of a URL the file's name."""
    try:
        return PurePosixPath(urlsplit(image).path).name if "://" in image else image
    except ValueError:  # a bracket where an address would be
        return image


def _find(row: Row, image: str) -> Path:
    for folder in (row.path.parent, row.path.parent / "images"):
        if (found := row.file("image", folder, image)).is_file():
            return found
    raise row.fault(f"no image {listed([image])} beside the file or in images/")
