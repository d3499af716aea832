"""Text that a terminal shows and does not obey."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

#: The error handler by which streams write what their encoding lacks.
HANDLER = "harness-plain"
#: Signs of our own, where the encoding has no better ones.
PLAIN = {
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "×": "x",
    "±": "+-",
    "·": "-",
    "↑": "^",
    "↓": "v",
    "→": "->",
    "✗": "x",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
}
_BETWEEN_LINES = re.compile(r"(\n|\t)")


def visible(text: str) -> str:
    r"""One line: what is not printed (controls, line breaks, marks of direction) is spelt out.

    >>> visible("a\x1b[31mb\u202ec\n")
    'a\\x1b[31mb\\u202ec\\n'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else spelt(char) for char in text)


def visible_lines(text: str) -> str:
    r"""The same for a text of several lines, such as a traceback: its breaks and tabs stay.

    >>> visible_lines("a\n\tb\x07")
    'a\n\tb\\x07'
    """
    parts = _BETWEEN_LINES.split(text)
    return "".join(part if part in ("\n", "\t") else visible(part) for part in parts)


def encodable(text: str, encoding: str) -> str:
    """The text with what an encoding lacks in plainer signs, or spelt out.

    >>> encodable("81.2 ± 0.3 … ä", "ascii")
    '81.2 +- 0.3 ... \\\\xe4'
    """
    return text.encode(encoding, HANDLER).decode(encoding)


def json_text(text: str, encoding: str) -> str:
    r"""JSON whose strings hold nothing that a terminal obeys or an encoding lacks.

    Both can stand in strings alone, where JSON writes them as ``\u`` and four digits.
    """
    return "".join(char if char == "\n" else _in_json(char, encoding) for char in text)


def spelt(char: str) -> str:
    """A character as Python writes it: ``\\x1b``, ``\\u202e``."""
    return char.encode("unicode_escape").decode("ascii")


@lru_cache(maxsize=4096)
def _in_json(char: str, encoding: str) -> str:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        is_writable = False
    else:
        is_writable = char.isprintable()
    if is_writable:
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    pairs = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(f"\\u{unit:04x}" for unit in pairs)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(char, spelt(char)) for char in lacking), error.end


codecs.register_error(HANDLER, _plainer)
