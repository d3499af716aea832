"""How the lines of a text become one text, as the loaders of the pruning papers join them.

They read copies of the hub, whose rows are lines: WikiText-2's with their line ends, empty ones
without (``wikitext-2-raw-v1``); Penn Treebank's stripped (``ptb_text_only``). Lines end at a line
feed and nowhere else.
"""

from io import StringIO
from typing import Literal

#: ``blank-line`` and ``blank`` join WikiText's rows, ``sentences`` joins Penn Treebank's.
Rows = Literal["as-is", "blank-line", "blank", "sentences"]


def joined(text: str, rows: Rows) -> str:
    r"""The lines of a text, joined.

    >>> joined(" = A =\n\nB\n", "blank-line")
    ' = A =\n\n\n\n\nB\n'
    >>> joined(" a b\n c\n", "sentences")
    'a b c'
    """
    if rows == "as-is":
        return text
    lines = StringIO(text)
    if rows == "sentences":
        return " ".join(line.strip() for line in lines)
    between = " " if rows == "blank" else "\n\n"
    return between.join(line if line.strip() else "" for line in lines)
