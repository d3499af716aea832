"""Lines and tables for people: whatever stands in them is text, and a table fits the screen.

Only this module hands text to Rich, so no name is ever read as its markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli import streams
from harness.escape.terminal import encodable, visible, visible_lines

#: Padding and line of a table's column.
BORDER = 3
#: A column whose longest cell takes more of the screen than this is folded, be it typed or not.
WHOLE_SHARE = 0.5


@dataclass(frozen=True)
class Head:
    """A column's name and how its cells stand."""

    text: str
    is_right: bool = False
    is_whole: bool = False
    """Whether its cells stay on one line: names that people type, numbers."""
    width: int | None = None
    """Characters; None = what its cells take and the others leave."""


@dataclass(frozen=True)
class Beside:
    """A cell with a second, fainter line."""

    first: str
    second: str


Cell = str | Beside


class Screen:
    """A stream that people read."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def width(self) -> int:
        """Columns; 80 where nobody looks, unless ``COLUMNS`` says otherwise."""
        return self._console.width

    @property
    def is_unicode(self) -> bool:
        """Whether it can show signs beyond a few hundred."""
        return self._console.encoding.startswith("utf")

    def text(self, text: str) -> Text:
        """One line as this screen can show it."""
        return Text(encodable(visible(text), self._console.encoding))

    def line(self, text: str) -> None:
        """One line, however long."""
        self._console.print(self.text(text), soft_wrap=True)

    def lines(self, text: str, indent: int = 0) -> None:
        """Several lines, however long, such as a traceback."""
        for line in visible_lines(text).splitlines():
            self._console.print(self.text(" " * indent + line.expandtabs()), soft_wrap=True)

    def paragraph(self, text: str, indent: int = 0) -> None:
        """A text that is wrapped between its words; longer ones are folded."""
        for line in self.text(text).wrap(self._console, max(20, self.width - indent)):
            self.line(" " * indent + line.plain.rstrip())

    def beside(self, head: str, text: str, *, indent: int) -> None:
        """What something is, and to the right of it a text that is wrapped between its words."""
        lines = self.text(text).wrap(self._console, max(20, self.width - indent))
        for place, line in enumerate(lines):
            before = f"  {head} " if place == 0 else ""
            self.line(f"{before:<{indent}}{line.plain.rstrip()}")

    def table(
        self,
        heads: Sequence[Head | str],
        rows: Iterable[Sequence[Cell] | None],
        *,
        title: str = "",
        has_heads: bool = True,
    ) -> None:
        """A table; nothing in it is cut.

        Args:
            rows: Their cells; None = a line between sections.
        """
        found = list(rows)
        table = Table(show_header=has_heads)
        if title:
            self.line(title)
        for place, head in enumerate(heads):
            column = head if isinstance(head, Head) else Head(head)
            longest = max((width_of(row[place]) for row in found if row is not None), default=0)
            table.add_column(
                self.text(column.text),
                justify="right" if column.is_right else "left",
                no_wrap=column.is_whole and longest <= WHOLE_SHARE * self.width,
                overflow="fold",
                width=column.width,
            )
        for row in found:
            if row is None:
                table.add_section()
            else:
                table.add_row(*map(self._cell, row))
        self._console.print(table)

    def _cell(self, cell: Cell) -> Text:
        if isinstance(cell, str):
            return self.text(cell)
        faint = self.text(cell.second)
        faint.stylize("dim")
        return Text("\n").join([self.text(cell.first), faint])


def stdout() -> Screen:
    """For tables and lines of a command's own."""
    return Screen(Console(file=streams.stdout(), highlight=False))


def stderr() -> Screen:
    """For what is beside: failures, and what was set aside."""
    return Screen(Console(stderr=True, highlight=False))


def fitting(widths: Sequence[int], room: int) -> list[slice]:
    """Cut columns of these widths into tables that are at most so wide, or one column each."""
    parts: list[slice] = []
    used = room
    for place, width in enumerate(widths):
        if used + width + BORDER > room:
            parts.append(slice(place, place))
            used = 0
        parts[-1] = slice(parts[-1].start, place + 1)
        used += width + BORDER
    return parts


def width_of(cell: Cell) -> int:
    """How wide a cell's longest line is on a screen."""
    lines = [cell] if isinstance(cell, str) else [cell.first, cell.second]
    return max(cell_len(visible(line)) for line in lines)
