"""Texts between people and the harness: what is told fits one line, what is given can be written.

A message is cut in its middle where it would be long.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import InputError
from harness.escape.terminal import visible

#: Characters of a line about an error, its prefix included.
LONGEST = 400
CUT = " … "


def one_line_of(text: str, room: int = LONGEST) -> str:
    r"""A text with what is not printed spelt out, and without its middle if it is longer than that.

    Both ends stay: what was wrong stands at the beginning, what would be right at the end.

    >>> one_line_of("a\nb")
    'a\\nb'
    >>> one_line_of("model " + 500 * "a" + ": no such folder", room=40)
    'model aaaaaaaaaaaaaaaaaa … o such folder'
    """
    shown = text[: 2 * room] + text[-room:] if len(text) > 3 * room else text
    shown = visible(shown)
    if len(shown) <= room:
        return shown
    tail = (room - len(CUT)) // 3 + 1
    return shown[: room - len(CUT) - tail] + CUT + shown[-tail:]


def refuse_unwritable_words(words: Iterable[str]) -> None:
    """Refuse texts that no record could hold and no file could be called by.

    Raises:
        InputError: One holds NUL, or bytes that are no UTF-8.
    """
    for word in words:
        if "\0" in word or any("\ud800" <= char <= "\udfff" for char in word):
            what = "a NUL character" if "\0" in word else "bytes that are no UTF-8"
            raise InputError(f"{word!r} holds {what}; no name, path or setting can")
