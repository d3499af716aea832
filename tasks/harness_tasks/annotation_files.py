"""Read official annotation files; whatever is missing is named with its file, row and field."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.plugin import DataError

T = TypeVar("T")
#: In lower case; files have them in any.
SUFFIXES = (".jpg", ".jpeg", ".png")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: It is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(path, f"not readable as JSON ({error})") from None


class Row:
    """One entry of an annotation file, which checks the fields it is asked for."""

    def __init__(self, content: Any, path: Path, place: str) -> None:
        self._path = path
        self._place = place
        if not isinstance(content, dict):
            raise DataError(path, f"an object is needed, not {content!r}", place)
        self._content = content

    def get(self, field: str, *types: type[T]) -> T:
        """The field's value.

        Raises:
            DataError: It is missing or of another type.
        """
        if field not in self._content:
            has = ", ".join(map(str, self._content)) or "nothing"
            raise DataError(self._path, f"field {field!r} is missing; it has {has}", self._place)
        value = self._content[field]
        if not isinstance(value, types):
            names = " or ".join(kind.__name__ for kind in types)
            raise DataError(
                self._path, f"field {field!r} is {value!r}, not of type {names}", self._place
            )
        return value

    def child(self, field: str) -> "Row":
        """The field's value, an object."""
        return Row(self.get(field, dict), self._path, f"{self._place}.{field}")

    def rows(self, field: str) -> Iterator["Row"]:
        """The field's entries, a list of objects."""
        for index, entry in enumerate(self.get(field, list)):
            yield Row(entry, self._path, f"{self._place}.{field}[{index}]")

    def texts(self, field: str) -> list[str]:
        """The field's entries, a list of texts that is not empty.

        Raises:
            DataError: It is something else.
        """
        found = self.get(field, list)
        if not found or not all(isinstance(text, str) for text in found):
            raise DataError(
                self._path, f"field {field!r} is {found!r}, not a list of texts", self._place
            )
        return found

    def __contains__(self, field: str) -> bool:
        return field in self._content


def read_rows(path: Path, field: str) -> list[Row]:
    """The entries of a list at the top of a JSON file."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get(field), list):
        raise DataError(path, f"an object with a list {field!r} is needed")
    return [Row(entry, path, f"{field}[{index}]") for index, entry in enumerate(content[field])]


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        DataError: It is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(path, f"cannot be read ({error})") from None


def read_json_lines(path: Path) -> Iterator[Row]:
    """One object per line; empty lines are passed over.

    Raises:
        DataError: The file is missing, or a line is not JSON.
    """
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            try:
                content = json.loads(line)
            except ValueError as error:
                raise DataError(path, f"not JSON ({error})", f"line {number}") from None
            yield Row(content, path, f"line {number}")


def find_image(folder: Path, stem: str) -> Path:
    """The image of that name with any usual suffix; if there is none, the usual name."""
    return first_file(
        *(folder / f"{stem}{suffix}" for suffix in SUFFIXES),
        *(folder / f"{stem}{suffix.upper()}" for suffix in SUFFIXES),
    )


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
