"""Read official annotation files: JSON, JSON lines, text, all UTF-8 with or without a BOM.

A line ends at a line feed and nowhere else: U+2028 and its like are text. What is wrong is named
with its file, row and field, by `harness.plugin.Row`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.plugin import DataError, Row, brief
from harness_tasks.json_text import JsonText, opened, parse_json

#: In lower case; files have them in any.
SUFFIXES = (".jpg", ".jpeg", ".png")
ANY_CASE = (*SUFFIXES, *map(str.upper, SUFFIXES))


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: It is missing or not JSON, or an object has a key twice.
    """
    return parse_json(read_text(path), path)


def read_members(path: Path) -> Iterator[tuple[str, Any]]:
    """The members of a JSON file's object, one after the other.

    Raises:
        DataError: The file is missing or holds no object, or a key stands there twice.
    """
    with opened(path) as file:
        text = JsonText(file, path)
        for key in text.members():
            yield key, text.value(f"key {brief(key)}")


def read_rows(path: Path, field: str) -> Iterator[Row]:
    """The entries of a list at the top of a JSON file, one after the other.

    Raises:
        DataError: The file is missing, or holds no such list, or an entry is no object.
    """
    wanted = DataError(path, f"an object with a list {field!r} is needed")
    with opened(path) as file:
        text, found = JsonText(file, path), False
        for key in text.members():
            if key != field:
                text.value()
                continue
            found = True
            if not text.takes("["):
                raise wanted
            for index in text.entries("]"):
                place = f"{field}[{index}]"
                yield Row(text.value(place), path, place)
    if not found:
        raise wanted


def read_text(path: Path) -> str:
    """The content of a text file, with a line feed for every line end.

    Raises:
        DataError: It is missing or not UTF-8.
    """
    with opened(path) as file:
        return file.read().replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(``line 1``, its text) and so on of a text file, without those that are blank.

    Raises:
        DataError: The file is missing or not UTF-8.
    """
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"line {number}", line.rstrip("\r\n")


def read_json_lines(path: Path) -> Iterator[Row]:
    """One object per line; empty lines are passed over.

    Raises:
        DataError: The file is missing, or a line is not JSON.
    """
    for place, line in read_lines(path):
        yield Row(parse_json(line, path, place), path, place)


class Images:
    """The images of a folder, found by their names without suffix; each is looked for once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Path] = {}

    def find(self, stem: str, row: Row, field: str) -> Path:
        """The image of that name with any usual suffix; if there is none, the usual name.

        Args:
            field: What of the row names it.

        Raises:
            DataError: The name leads outside of the folder.
        """
        if stem not in self._found:
            row.file(field, self._folder, stem + max(SUFFIXES, key=len))
            self._found[stem] = self._look_for(stem)
        return self._found[stem]

    def _look_for(self, stem: str) -> Path:
        paths = (self._folder / f"{stem}{suffix}" for suffix in ANY_CASE)
        return next(filter(Path.is_file, paths), self._folder / f"{stem}{SUFFIXES[0]}")


def first_file(*paths: Path) -> Path:
    """The first of the paths that is there, else the first of all: who reads it misses it."""
    return next((path for path in paths if path.is_file()), paths[0])


def first_existing(folder: Path, names: Sequence[str]) -> Path:
    """The first of the files that the folder has.

    Raises:
        DataError: The folder or all of the files are missing.
    """
    if not folder.is_dir():
        raise DataError(folder, "no such folder")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(folder, f"holds none of {', '.join(names)}")
