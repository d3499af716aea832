"""Text that a spreadsheet shows and does not compute."""

from __future__ import annotations

from harness.escape.terminal import visible

#: What begins a formula, in either width; `visible` leaves no tab and no carriage return.
FORMULA = tuple("=+-@＝＋－＠")


def cell(value: object) -> object:
    r"""A cell of a CSV file: numbers as they are, a text that would be a formula behind ``'``.

    >>> [cell(value) for value in (-1.5, "-1.5", "=1+1", "\tx", None)]
    [-1.5, '-1.5', "'=1+1", '\\tx', '']
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
