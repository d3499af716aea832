"""Text that Markdown shows and does not obey."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.escape.terminal import visible

_ACTIVE = re.compile(
    r"[<|$]|&(?=#?\w+;)"  # tags, cells, formulas, entities
    r"|`|\\(?=[!-/:-@\[-`{-~])|\](?=[(\[:])"  # code, escapes, links and images
    r"|[*~](?=\S)|(?<![^\W_])_(?=\S)"  # emphasis, where it can begin
    r"|:(?=//)|(?<=www)\.|@(?=[^\W\d])",  # addresses that become links, people who are told
    re.IGNORECASE,
)
_ENTITIES = "&<|$:.@"
#: What would begin a heading, a list, a quotation, a rule or a definition.
_BEGINNING = re.compile(r"^(\s*\d*)([-+#=>.)\[])")


def inline(text: str) -> str:
    r"""A name or a reason inside a line or a cell of a table.

    >>> inline("score=a p_max=0.7 | <b> [x](https://y) `z`\n*w*")
    'score=a p_max=0.7 &#124; &#60;b> [x\\](https&#58;//y) \\`z\\`\\n\\*w*'
    """
    return _ACTIVE.sub(_escaped, visible(text))


def beginning(text: str) -> str:
    r"""The same where it begins a line or a list's entry.

    >>> beginning("# a"), beginning("1. b"), beginning("vqav2: c")
    ('\\# a', '1\\. b', 'vqav2: c')
    """
    return _BEGINNING.sub(r"\1\\\2", inline(text))


def row(cells: Sequence[str]) -> str:
    """A line of a table; its cells are escaped here."""
    return "| " + " | ".join(map(inline, cells)) + " |"


def head(cells: Sequence[str]) -> list[str]:
    """The first two lines of a table."""
    return [row(cells), "|" + "---|" * len(cells)]


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return f"&#{ord(char)};" if char in _ENTITIES else f"\\{char}"
