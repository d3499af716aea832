"""The command line: parse, call one function of the core, render.

Importing this module loads neither torch nor a plugin; commands import what they need.
"""

from __future__ import annotations

import os
import sys

from harness.cli.border import WANTED, Wanted
from harness.cli.commands import app
from harness.cli.failing import INTERRUPTED, UNREAD, failure_of
from harness.cli.signals import Ended, ending_alike
from harness.cli.streams import divert_stdout, spell_out, stand_in_for_closed, tell, tell_lines
from harness.told import refuse_unwritable_words

NAME = "harness"
#: Typer's own: set by the shell at a tab; options that print or install what the shell runs then.
COMPLETES = "_HARNESS_COMPLETE"
COMPLETION = ("--install-completion", "--show-completion")


def main() -> None:
    """Entry point of ``harness``."""
    # OpenMP reads this when torch is imported. Threads that spin while they wait make a small
    # model several times slower whenever another process wants a core (docs/benchmarks/speed.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    stand_in_for_closed()
    spell_out()
    code = run_command(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # whoever read it has closed it, or there is no room where it leads
        code = code or UNREAD
    divert_stdout()  # what plugins say when the process ends is no part of the output either
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Run one command; the one place where exceptions become a line and an exit code."""
    wanted = Wanted()
    WANTED.set(wanted)
    if (arguments and arguments[0].startswith(COMPLETION)) or COMPLETES in os.environ:
        return _complete(arguments)
    ended = Ended()
    try:
        refuse_unwritable_words(arguments)
        with ending_alike() as ended:
            code = int(app(arguments, prog_name=NAME, standalone_mode=False) or 0)
    except BaseException as error:  # every exception: here it becomes words
        failure = failure_of(error, shows_traceback=wanted.traceback)
        code = failure.code
        if failure.line:
            tell_lines(failure.line)
        if wanted.traceback and failure.line:
            from harness.plugin.faults import whole

            tell_lines(whole(error))
    if code == INTERRUPTED:
        tell(ended.told)
        return ended.code
    return code


def _complete(arguments: list[str]) -> int:
    """Let Typer answer the shell, after which it exits."""
    try:
        app(arguments, prog_name=NAME)
    except SystemExit as done:
        return int(done.code or 0)
    return 0
