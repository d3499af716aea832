"""JSON read strictly and piece by piece: no key stands twice in an object, little is in memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any, TextIO

from harness.plugin import DataError, brief

#: Characters of a file that are read at once.
PIECE = 1 << 20
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


class JsonText:
    """A JSON file of which little is in memory at a time: as much text as a value takes."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._text = ""
        self._at = 0
        self._before = 0

    def next(self) -> str:
        """The character that comes next behind white space; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text) or not self._reads_on():
                return self._text[self._at : self._at + 1]

    def _reads_on(self) -> bool:
        """Have more text in memory, without what is behind; False at the end of the file."""
        more = self._file.read(max(PIECE, len(self._text) - self._at))
        self._before += self._at
        self._text = self._text[self._at :] + more
        self._at = 0
        return bool(more)

    def takes(self, token: str) -> bool:
        """Whether that character comes next; if so it is passed over."""
        found = self.next() == token
        self._at += found
        return found

    def value(self, place: str | None = None) -> Any:
        """The value that comes next, as a whole."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, JSONDecodeError) and self._reads_on():
                    continue
                raise self._undecodable(error, place) from None
            if end < len(self._text) or not self._reads_on():  # a number may go on
                self._at += end - self._at
                return value

    def members(self) -> Iterator[str]:
        """The keys of the object that all of the file is; each value has to be read in turn."""
        if not self.takes("{"):
            raise DataError(self._path, "an object is needed")
        seen: set[str] = set()
        for _ in self.entries("}"):
            key = self.value()
            if not isinstance(key, str) or not self.takes(":"):
                raise self.fault(f"a key and a colon are needed: char {self._before + self._at}")
            if key in seen:
                raise self.fault(f"key {brief(key)} stands twice in one object")
            seen.add(key)
            yield key
        if self.next():
            raise self.fault(f"more behind its end: char {self._before + self._at}")

    def _undecodable(self, error: Exception, place: str | None) -> DataError:
        if isinstance(error, JSONDecodeError):
            return self.fault(f"{error.msg}: char {self._before + error.pos}", place)
        return self.fault(str(error), place)

    def entries(self, closing: str) -> Iterator[int]:
        """The numbers of a list's or an object's entries; each has to be read when it is told."""
        number = 0
        while (found := self.next()) != closing:
            if number and found != ",":
                raise self.fault(f"',' or '{closing}' is needed: char {self._before + self._at}")
            self._at += number > 0
            yield number
            number += 1
        self._at += 1

    def fault(self, problem: str, place: str | None = None) -> DataError:
        return DataError(self._path, f"not readable as JSON ({problem})", place)


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """A text file whose lines end at a line feed.

    Raises:
        DataError: It is missing or not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield file
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 ({error})") from None
