"""``harness tasks``: which tasks there are, how each asks, and where its data comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import completion, options

if TYPE_CHECKING:
    from harness.plugin import Task
    from harness.plugin.manager import Plugins

TaskNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TASK]...",
        help="Tasks to tell all about; without, all in a line each.",
        autocompletion=completion.tasks,
    ),
]


def tasks(names: TaskNames = None, as_json: options.JsonOption = False) -> int:
    """List the tasks; of those that are named, tell profiles and where to get their full data."""
    from harness.cli import render
    from harness.cli.loading import load_plugins
    from harness.tasks import find_task

    found = load_plugins()
    told = [_content(find_task(name, found)[1]) for name in names or ()] or _all(found)
    if as_json:
        render.print_json(told)
    elif names:
        _print_details(told)
    else:
        _print_summary(told)
    return 0


def _all(found: Plugins) -> list[dict[str, Any]]:
    """Every task; of one that takes an argument, the class."""
    from harness.plugin import TaskTags

    told = []
    for provider in found.tasks:
        wanted = TaskTags.of(provider.given).argument
        task = provider.given(*filter(None, [wanted and "NAME"]))
        told.append(_content(task, f"{provider.name}:NAME" if wanted else provider.name))
    return told


def _content(task: Task, name: str | None = None) -> dict[str, Any]:
    from harness.plugin.needs import names_of

    return {
        "name": name or task.name,
        "title": task.manifest.title,
        "metric": task.metric.name,
        "needs": ", ".join(dict.fromkeys(map(names_of, task.profiles))),
        "profiles": ", ".join(dict.fromkeys(profile.name for profile in task.profiles)),
        "licence": task.manifest.licence,
        "page": task.manifest.page,
        "data": task.manifest.instructions(),
    }


def _print_summary(told: Sequence[dict[str, Any]]) -> None:
    from harness.cli.screen import Head, stdout

    screen = stdout()
    heads = (Head("task", is_whole=True), "of what", Head("metric", is_whole=True))
    screen.table(heads, [(task["name"], task["title"], task["metric"]) for task in told])
    screen.line("`harness tasks TASK` tells its profiles and where its full data comes from")


def _print_details(told: Sequence[dict[str, Any]]) -> None:
    from harness.cli.screen import stdout

    screen = stdout()
    for task in told:
        screen.line(task["name"])
        for head, key in (
            ("metric", "metric"),
            ("profiles", "profiles"),
            ("a model can", "needs"),
            ("licence", "licence"),
            ("page", "page"),
            ("full data", "data"),
        ):
            screen.beside(head, task[key] or "not known", indent=15)
