"""What all commands have in common: two options, a stdout of their own, and one way to fail."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from harness.cli.options import OUTPUT
from harness.cli.quiet import quiet_libraries
from harness.cli.streams import stdout_of_our_own

TracebackOption = Annotated[
    bool,
    typer.Option(
        "--traceback",
        envvar="HARNESS_TRACEBACK",
        help="Show where in the code an error arose.",
        rich_help_panel=OUTPUT,
    ),
]
WarningsOption = Annotated[
    bool,
    typer.Option(
        "--warnings",
        envvar="HARNESS_WARNINGS",
        help="Show what libraries warn of as it comes.",
        rich_help_panel=OUTPUT,
    ),
]


@dataclass
class Wanted:
    """What a person wants to see beside what a command says."""

    traceback: bool = False


WANTED: ContextVar[Wanted] = ContextVar("wanted")


def shows_traceback() -> bool:
    """Whether the running command was asked for tracebacks."""
    return WANTED.get(Wanted()).traceback


def surround(app: typer.Typer) -> None:
    """Give every command of an application the options, and its stdout to itself alone."""
    for command in app.registered_commands:
        assert command.callback is not None
        command.callback = _surrounded(command.callback)
    if app.registered_callback is not None and app.registered_callback.callback is not None:
        app.registered_callback.callback = _surrounded(app.registered_callback.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            surround(group.typer_instance)


def _surrounded(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def run(*given: Any, show_traceback: bool, show_warnings: bool, **options: Any) -> Any:
        WANTED.get().traceback |= show_traceback
        with stdout_of_our_own(), quiet_libraries(shown=show_warnings):
            return command(*given, **options)

    signature = inspect.signature(command, eval_str=True)
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation
        )
        for name, annotation in (
            ("show_traceback", TracebackOption),
            ("show_warnings", WarningsOption),
        )
    ]
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *added]
    )
    return run
