"""Rows of data files, checked field by field: a fault is told with its file, its row and its field.

Nothing is converted: a number is no text, and ``true`` is no number. Texts are Unicode.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import DataError
from harness.plugin.names import inside

T = TypeVar("T")
_SHORT = reprlib.Repr()
_SHORT.maxlevel = _SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = 2
_SHORT.maxstring = _SHORT.maxother = 50
#: Letters of a value or a list of names in a message.
LONGEST = 100


def brief(value: Any) -> str:
    """A value as a message shows it: in ASCII, short, whatever it is."""
    return _cut(ascii(value[:LONGEST]) if isinstance(value, str) else _SHORT.repr(value))


def listed(names: Iterable[Any]) -> str:
    """Names as a message lists them: in ASCII, as many as it can hold."""
    return _cut(", ".join(ascii(str(name)[:LONGEST])[1:-1] for name in islice(names, LONGEST)))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


class Row:
    """One entry of a data file, which checks the fields it is asked for.

    Args:
        place: Which entry, e.g. ``annotations[3]``.

    Raises:
        DataError: It is no object.
    """

    __slots__ = ("_content", "path", "place")

    def __init__(self, content: Any, path: Path, place: str) -> None:
        self.path = path
        self.place = place
        if not isinstance(content, dict):
            raise self.fault(f"an object is needed, not {brief(content)}")
        self._content = content

    def fault(self, problem: str) -> DataError:
        """What is wrong with this row, to be raised."""
        return DataError(self.path, problem, self.place)

    def __getitem__(self, field: str) -> Any:
        return self._content[field]

    def __contains__(self, field: str) -> bool:
        return field in self._content

    def get(self, field: str, *types: type[T]) -> T:
        """The field's value.

        Raises:
            DataError: It is missing, of another type, or a text that is not Unicode.
        """
        if field not in self._content:
            has = listed(self._content) or "nothing"
            raise self.fault(f"field {field!r} is missing; it has {has}")
        value = self._content[field]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join(kind.__name__ for kind in types)
            raise self.fault(f"field {field!r} is {brief(value)}, not of type {names}")
        if isinstance(value, str):
            self._refuse_surrogates(field, value)
        return value

    def _refuse_surrogates(self, field: str, text: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            told = brief(text[max(0, error.start - 10) :])
            raise self.fault(
                f"field {field!r} holds half of a surrogate pair, which is no text: {told}"
            ) from None

    def child(self, field: str) -> Row:
        """The field's value, an object."""
        return Row(self.get(field, dict), self.path, f"{self.place}.{field}")

    def rows(self, field: str) -> Iterator[Row]:
        """The field's entries, a list of objects."""
        for index, entry in enumerate(self.get(field, list)):
            yield Row(entry, self.path, f"{self.place}.{field}[{index}]")

    def texts(self, field: str) -> list[str]:
        """The field's entries, a list of texts that is not empty.

        Raises:
            DataError: It is something else.
        """
        found = self.get(field, list)
        if not found or not all(isinstance(text, str) for text in found):
            raise self.fault(f"field {field!r} is {brief(found)}, not a list of texts")
        for text in found:
            self._refuse_surrogates(field, text)
        return found

    def texts_of(self, field: str, inner: str) -> list[str]:
        """Of the field's entries, a list of objects, the texts in the field `inner`.

        Raises:
            DataError: An entry has none; it is named.
        """
        try:
            texts = [entry[inner] for entry in self.get(field, list)]
            if "".join(texts).isascii():
                return texts
        except (TypeError, LookupError):
            pass  # what is wrong, if anything, is said by the long way
        return [row.get(inner, str) for row in self.rows(field)]

    def file(self, field: str, folder: Path, name: str | None = None) -> Path:
        """The file in `folder` that the field names, or that is called `name` for its sake.

        Raises:
            DataError: The name leads outside of the folder, or is none.
        """
        named = self.get(field, str) if name is None else name
        try:
            return inside(folder, named)
        except ValueError as error:
            raise self.fault(f"field {field!r}: file name {brief(named)} {error}") from None


class Once:
    """Values that stand in the files of a data set one time only, e.g. ids."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._places: dict[Any, str] = {}

    def take(self, value: Any, row: Row) -> None:
        """Note the value of a row.

        Raises:
            DataError: Another row has it.
        """
        if (place := self._places.setdefault(value, row.place)) is not row.place:
            raise row.fault(f"field {self._field!r} is {brief(value)}, as that of {place}")

    def take_if_there(self, row: Row) -> None:
        """The same of a field that the row need not have."""
        if self._field in row:
            self.take(row.get(self._field, int, str), row)
