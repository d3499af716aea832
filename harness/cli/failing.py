"""How a command fails: every exception becomes one line and an exit code.

2    what was asked cannot be done as asked, or a file or folder of the user's is not as needed
1    a stage failed, the machine has no memory or room left, or a stranger's plugin is at fault
70   a defect of ours
130  interrupted
141  whoever read the output has closed it; nothing is said
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer

from harness.errors import HarnessError
from harness.told import LONGEST, one_line_of

PREFIX = "error: "
FAILED, WRONG, DEFECT, INTERRUPTED, UNREAD = 1, 2, 70, 130, 141
SHOWS = "--traceback shows where"
REPORT = "this is a defect of harness: please report it with what --traceback shows"
#: Typer may carry a click of its own; wrong usage is the base of the one error it exports.
UsageError: Any = typer.BadParameter.__base__
#: Troubles of the machine, which no other path or option mends.
OF_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
)


@dataclass(frozen=True)
class Failure:
    """What is said of an exception, and the exit code."""

    line: str
    """"" = nothing is said."""
    code: int


def failure_of(error: BaseException, *, shows_traceback: bool = False) -> Failure:
    """What is said of an exception that no command caught, in `LONGEST` characters a line at most.

    It is one line; several faults that are told at once have one each.

    Args:
        shows_traceback: Whether its traceback stands below, so that nothing points to it.
    """
    messages, hint, code = _read(error)
    end = f"; {hint}" if hint and not shows_traceback else ""
    room = LONGEST - len(PREFIX) - len(end)
    told = [f"{PREFIX}{one_line_of(message, room)}" for message in messages]
    return Failure("\n".join(told) + end if told else "", code)


def _read(error: BaseException) -> tuple[Sequence[str], str, int]:
    """(messages, hint at what helps on, exit code)."""
    if isinstance(error, HarnessError):
        return error.faults, SHOWS if error.__cause__ else "", error.exit_code
    if isinstance(error, UsageError):
        return list(filter(None, [_usage(error)])), "", WRONG
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        return (), "", INTERRUPTED
    if BrokenPipeError in map(type, (error, error.__context__)):
        return (), "", UNREAD
    message, hint, code = _read_unforeseen(error)
    return (message,), hint, code


def _read_unforeseen(error: BaseException) -> tuple[str, str, int]:
    """The same of what nobody raised on purpose."""
    from harness.plugin.faults import one_line, stranger_in

    if stranger_in(error) is not None or not isinstance(error, Exception):
        return one_line(error), SHOWS, FAILED  # a plugin's mistake, or its sys.exit
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory ({one_line(error)})", SHOWS, FAILED
    if isinstance(error, OSError) and error.errno is not None:
        return _trouble(error), SHOWS, FAILED if error.errno in OF_MACHINE else WRONG
    return one_line(error), REPORT, DEFECT


def _trouble(error: OSError) -> str:
    """``results/x: Permission denied``."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return f"{' and '.join(names) or 'a file'}: {error.strerror or error}"


def _usage(error: Any) -> str:
    """What is wrong with a command line; of a command without words, which shows its help, ""."""
    told = str(error.format_message()).strip().rstrip(".")
    if not told:
        return ""
    if error.__cause__ is not None:  # a value that pydantic refused for Typer
        from harness.wording import explain

        told = f"{_option(error)}: {explain(error.__cause__).rstrip('.')}"
    elif near := getattr(error, "possibilities", None):
        told = f"{error.message}; did you mean {' or '.join(sorted(near))}?"
    command = error.ctx.command_path if error.ctx is not None else "harness"
    return f"{told}; `{command} --help` lists what is right"


def _option(error: Any) -> str:
    """``--limit``, or an argument's name."""
    return str(error.param.get_error_hint()).strip("'") if error.param else "an option"
