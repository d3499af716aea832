"""The command line: parse, call one function of the core, render.

Importing this module loads neither torch nor a plugin; commands import what they need.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from harness.cli.border import WANTED, Wanted
from harness.cli.commands import app
from harness.cli.signals import ending_alike
from harness.cli.streams import divert_stdout
from harness.errors import HarnessError

HINT = "; --traceback shows where"
FAILED, INTERRUPTED, WRONG_USAGE = 1, 130, 2
#: Typer may carry a click of its own; wrong usage is the base of the one error it exports.
UsageError: Any = typer.BadParameter.__base__


def main() -> None:
    """Entry point of ``harness``."""
    # OpenMP reads this when torch is imported. Threads that spin while they wait make a small
    # model several times slower whenever another process wants a core (docs/benchmarks/speed.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    code = run_command(sys.argv[1:])
    sys.stdout.flush()
    divert_stdout()  # what plugins say when the process ends is no part of the output either
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Run one command; the one place where errors become a line and an exit code."""
    wanted = Wanted()
    WANTED.set(wanted)
    try:
        with ending_alike() as ended:
            code = int(app(arguments, standalone_mode=False) or 0)
    except HarnessError as error:
        is_deliberate = error.__cause__ is None
        hint = "" if is_deliberate or wanted.traceback else HINT
        typer.echo(f"error: {error}{hint}", err=True)
        _show_traceback(error, wanted)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except UsageError as error:
        error.show()
        return WRONG_USAGE
    except BrokenPipeError:  # whoever read along has enough
        return FAILED
    except (Exception, SystemExit) as error:  # a mistake here or in a plugin, or its sys.exit
        from harness.plugin.faults import one_line

        hint = "" if wanted.traceback else HINT
        typer.echo(f"error: {one_line(error)}{hint}", err=True)
        _show_traceback(error, wanted)
        return FAILED
    if code == INTERRUPTED:
        typer.echo(ended.told, err=True)
        return ended.code
    return code


def _show_traceback(error: BaseException, wanted: Wanted) -> None:
    if wanted.traceback:
        from harness.plugin.faults import whole

        typer.echo(whole(error), err=True, nl=False)
