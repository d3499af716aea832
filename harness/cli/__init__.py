"""The command line: parse, call one function of the core, render.

Importing this module loads neither torch nor a plugin; commands import what they need.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from harness.cli.commands import app
from harness.errors import HarnessError

INTERRUPTED, WRONG_USAGE = 130, 2
#: Typer may carry a click of its own; wrong usage is the base of the one error it exports.
UsageError: Any = typer.BadParameter.__base__


def main() -> None:
    """Entry point of ``harness``."""
    # OpenMP reads this when torch is imported. Threads that spin while they wait make a small
    # model several times slower whenever another process wants a core (docs/benchmarks/speed.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command; the one place where deliberate errors become a line and an exit code."""
    try:
        code = int(app(arguments, standalone_mode=False) or 0)
    except HarnessError as error:
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except UsageError as error:
        error.show()
        return WRONG_USAGE
    if code == INTERRUPTED:
        typer.echo("interrupted; what was done is filed, run again to go on", err=True)
    return code
