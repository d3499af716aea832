"""The command line: parse, call one function of the core, render.

Importing this module loads neither torch nor a plugin; commands import what they need.
"""

from __future__ import annotations

import sys

import typer
from click.exceptions import Abort, ClickException

from harness.cli.commands import app
from harness.errors import HarnessError

INTERRUPTED = 130


def main() -> None:
    """Entry point of ``harness``."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command; the one place where deliberate errors become a line and an exit code."""
    try:
        code = app(arguments, standalone_mode=False)
    except HarnessError as error:
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    except (Abort, KeyboardInterrupt):
        typer.echo("interrupted; what was done is filed, run again to go on", err=True)
        return INTERRUPTED
    except ClickException as error:
        error.show()
        return error.exit_code
    return int(code or 0)
