"""Read official annotation files: JSON, JSON lines, text, all UTF-8 with or without a BOM.

A line ends at a line feed and nowhere else: U+2028 and its like are text. What is wrong is named
with its file, row and field, by `harness.plugin.Row`.
"""

import re
from collections.abc import Iterator, Sequence
from json import JSONDecoder
from pathlib import Path
from typing import Any

from harness.plugin import DataError, Row, brief

#: In lower case; files have them in any.
SUFFIXES = (".jpg", ".jpeg", ".png")
_SPACE = re.compile(r"[ \t\n\r]*")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise ValueError(f"key {brief(twin)} stands twice in one object")
    return content


_DECODER = JSONDecoder(object_pairs_hook=_without_twins)


def parse_json(text: str | bytes, path: Path, place: str | None = None) -> Any:
    """The content of a piece of JSON.

    Raises:
        DataError: It is not JSON, or an object has a key twice.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        what = "not JSON" if place else "not readable as JSON"
        raise DataError(path, f"{what} ({error})", place) from None


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
    text = _Json(path)
    if not text.takes("{"):
        raise DataError(path, "an object is needed")
    keys: set[str] = set()
    for _ in text.entries("}"):
        key = text.value()
        if not isinstance(key, str) or not text.takes(":"):
            raise text.fault("a key and a colon are needed")
        if key in keys:
            raise DataError(path, f"key {brief(key)} stands there twice")
        keys.add(key)
        yield key, text.value(f"key {brief(key)}")
    text.end()


def read_rows(path: Path, field: str) -> Iterator[Row]:
    """The entries of a list at the top of a JSON file, one after the other.

    Raises:
        DataError: The file is missing, or holds no such list, or an entry is no object.
    """
    text, found = _Json(path), False
    wanted = DataError(path, f"an object with a list {field!r} is needed")
    if not text.takes("{"):
        raise wanted
    for _ in text.entries("}"):
        key = text.value()
        if not text.takes(":"):
            raise text.fault("a colon is needed")
        if key != field:
            text.value()
        elif found:
            raise DataError(path, f"key {field!r} stands there twice")
        elif not text.takes("["):
            raise wanted
        else:
            found = True
            for index in text.entries("]"):
                place = f"{field}[{index}]"
                yield Row(text.value(place), path, place)
    text.end()
    if not found:
        raise wanted


class _Json:
    """A JSON file that is read piece by piece, so that not all of it is in memory as objects."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = read_text(path)
        self._at = 0

    def takes(self, token: str) -> bool:
        """Whether that token comes next; if so it is passed over."""
        self._at = self._after_space()
        found = self._text.startswith(token, self._at)
        self._at += len(token) * found
        return found

    def _after_space(self) -> int:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        return match.end()

    def value(self, place: str | None = None) -> Any:
        """The value that comes next, as a whole."""
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._after_space())
        except (ValueError, RecursionError) as error:
            raise self.fault(str(error), place) from None
        return value

    def entries(self, closing: str) -> Iterator[int]:
        """The numbers of a list's or an object's entries; each has to be read when it is told."""
        number = 0
        while not self.takes(closing):
            if number and not self.takes(","):
                raise self.fault(f"',' or '{closing}' is needed: char {self._at}")
            yield number
            number += 1

    def end(self) -> None:
        if self._after_space() < len(self._text):
            raise self.fault(f"more behind its end: char {self._at}")

    def fault(self, problem: str, place: str | None = None) -> DataError:
        return DataError(self._path, f"not readable as JSON ({problem})", place)


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        DataError: It is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise DataError(path, f"not UTF-8 ({error})") from None


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(``line 1``, its text) and so on of a text file, without those that are blank.

    Raises:
        DataError: The file is missing or not UTF-8.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield f"line {number}", line


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
            suffixes = (*SUFFIXES, *map(str.upper, SUFFIXES))
            self._found[stem] = first_file(*(self._folder / f"{stem}{end}" for end in suffixes))
        return self._found[stem]


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
