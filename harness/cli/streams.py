"""Stdout is for what a command has to say; whatever else is written to it goes to stderr.

A plugin or a library may print when it is imported, while it works, in another thread, in a
process of its own or in C: the process's stdout leads to stderr while a command runs, and only
`stdout` here leads to the true one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper, UnsupportedOperation
from typing import TextIO

from harness.escape.terminal import HANDLER, json_text, visible, visible_lines

OUT, ERR = 1, 2
_true: list[TextIO] = []


def stdout() -> TextIO:
    """Where a command's own words and JSON go."""
    return _true[-1] if _true else sys.stdout


def say(text: str) -> None:
    """Write a line of the command's own to stdout."""
    stdout().write(f"{visible(text)}\n")


def say_json(text: str) -> None:
    """Write JSON to stdout."""
    stream = stdout()
    stream.write(f"{json_text(text, stream.encoding or 'utf-8')}\n")


def tell(text: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(f"{visible(text)}\n")


def tell_lines(text: str) -> None:
    """Write several lines, such as a traceback, to stderr."""
    sys.stderr.write(f"{visible_lines(text).rstrip()}\n")


def spell_out() -> None:
    """Let the process's streams write in plainer signs what their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


@contextmanager
def stdout_of_our_own() -> Iterator[None]:
    """Send everything but our own words to stderr while a command runs."""
    given = sys.stdout
    given.flush()
    kept = TextIOWrapper(
        BufferedWriter(FileIO(os.dup(OUT), "w")),
        encoding=given.encoding,
        errors=HANDLER,
        line_buffering=True,
    )
    with kept:
        _true.append(kept if _is_process_stdout(given) else given)
        divert_stdout()
        try:
            yield
            stdout().flush()
        finally:
            for stream in (sys.stdout, sys.__stdout__):
                if stream is not None and not stream.closed:
                    stream.flush()
            os.dup2(kept.fileno(), OUT)
            sys.stdout = given
            _true.pop()


def stand_in_for_closed() -> None:
    """Where a process was started without stdin, stdout or stderr, let it have one that is void."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= ERR:
        name = ("stdin", "stdout", "stderr")[descriptor]
        setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r"))
    os.close(descriptor)


def divert_stdout() -> None:
    """Let stdout lead to stderr, in Python and below it."""
    os.dup2(ERR, OUT)
    sys.stdout = sys.stderr


def _is_process_stdout(stream: TextIO) -> bool:
    """Whether a stream is the process's stdout, not something that stands in for it."""
    try:
        return stream.fileno() == OUT
    except UnsupportedOperation:
        return False
