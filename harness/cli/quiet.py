"""Warnings of libraries are for those who call them: kept for the record, shown on request.

What a stranger's plugin warns of is shown as it comes: its author says it to whoever runs it. The
harness itself says nothing by way of `warnings` or `logging`; what stands under its name there
comes from a library below it, written in C.
"""

from __future__ import annotations

import inspect
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from harness.cli.streams import tell_lines
from harness.escape.terminal import visible_lines
from harness.warned import forget_warnings, keep_warning


@contextmanager
def quiet_libraries(*, shown: bool) -> Iterator[None]:
    """Keep back what libraries warn of by `warnings`, or by loggers that nobody has set up.

    Errors that they log are shown.

    Args:
        shown: Show all of it after all.
    """
    forget_warnings()
    last_resort = logging.lastResort
    with warnings.catch_warnings():
        if not shown:
            warnings.showwarning = _show_or_keep
            logging.lastResort = _LastResort(logging.WARNING)
        try:
            yield
        finally:
            logging.lastResort = last_resort


def _show_or_keep(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    text = warnings.formatwarning(message, category, filename, lineno, line)
    if file is not None or _is_strangers(_issuer()):
        (file or sys.stderr).write(visible_lines(text))
    else:
        keep_warning(f"{_issuer()}: {category.__name__}: {message}")


class _LastResort(logging.Handler):
    """In place of the handler that prints what no other takes."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or _is_strangers(record.name):
            tell_lines(self.format(record))
        else:
            keep_warning(f"{record.name}: {record.levelname}: {record.getMessage()}")


def _issuer() -> str:
    """The module that warned, which is not the one that it blames."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in (__name__, "warnings"):
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def _is_strangers(module: str) -> bool:
    from harness.plugin.installed import plugin_packages
    from harness.versions import own_distribution

    brought_by = plugin_packages().get(module.partition(".")[0])
    own = own_distribution()
    return brought_by is not None and brought_by != f"{own.name} {own.version}"
