"""``harness data``: what a task's data is, fetching it, checking it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import completion, options
from harness.cli.streams import say, tell
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.data.fetch import Fetched
    from harness.data.plan import Plan
    from harness.data.verify import Verdict
    from harness.plugin import EditionInfo

app = typer.Typer(no_args_is_help=True, help="Plan, fetch and verify the data of tasks.")

TaskNames = Annotated[
    list[str],
    typer.Argument(metavar="TASK...", help="Names of tasks.", autocompletion=completion.tasks),
]
HubOption = Annotated[
    bool, typer.Option("--hub", help="Take the hub copy even where official files can be had.")
]
PartOption = Annotated[
    bool, typer.Option("--part", help="The folder holds a part on purpose: counts may differ.")
]
#: Faults that are printed; a folder that lost all images has many.
FAULTS_SHOWN = 20
FAULTY = 2


@app.command("plan")
def plan(
    tasks: TaskNames,
    data: options.DataOption = None,
    hub: HubOption = False,
    as_json: options.JsonOption = False,
) -> int:
    """Say what is needed, under which licence, what is there and what a fetch would do."""
    from harness.cli import render
    from harness.data.plan import make_plan

    plans = [
        make_plan(task.manifest, edition.path, from_hub=hub)
        for task, edition in _tasks_and_editions(tasks, data)
    ]
    if as_json:
        render.print_json(
            [dataclasses.asdict(made) | {"folder": str(made.folder)} for made in plans]
        )
        return 0
    for made in plans:
        _print_plan(made)
    return 0


@app.command("fetch")
def fetch(
    tasks: TaskNames,
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder of a hub copy's parquet files.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Where to, instead of <cache>/full/TASK.")
    ] = None,
    hub: HubOption = False,
    part: PartOption = False,
    as_json: options.JsonOption = False,
) -> int:
    """Download the data, or convert a hub copy, into the official layout, and verify it."""
    from harness.cli.progress import live_report
    from harness.data.fetch import fetch as fetch_data

    if part and to is None:
        raise InputError("--part needs --to DIR: a part does not belong where the full data goes")
    if to is not None and len(tasks) > 1:
        raise InputError(f"--to {to} takes one task, not {len(tasks)}")
    given = f"{tasks[0]}={to}" if to is not None else None
    verdicts = []
    for task, edition in _tasks_and_editions(tasks, given):
        folder = edition.path
        with live_report(task.name) as report:
            done = fetch_data(task, folder, source=source, from_hub=hub, part=part, report=report)
        verdicts.append(done.verdict)
        if not as_json:
            _print_fetched(done)
    return _code_of(verdicts, as_json=as_json)


@app.command("verify")
def verify(
    tasks: TaskNames,
    data: options.DataOption = None,
    part: PartOption = False,
    as_json: options.JsonOption = False,
) -> int:
    """Check folders: fields, images, counts, and every byte against the lock file.

    A sound folder without a lock file gets one.
    """
    from harness.cli.progress import live_report
    from harness.data.verify import verify as verify_folder

    if part and data is None:
        raise InputError("--part needs --data: a part does not lie where the full data goes")
    verdicts = []
    for task, edition in _tasks_and_editions(tasks, data):
        is_part = part or bool(edition.version)  # an edition that makes its data makes a part
        with live_report(task.name) as report:
            verdicts.append(verify_folder(task, edition.path, part=is_part, report=report))
        if not as_json:
            _print_verdict(verdicts[-1])
    return _code_of(verdicts, as_json=as_json)


def _tasks_and_editions(names: list[str], data: str | None) -> list[tuple[Any, EditionInfo]]:
    from harness import notation
    from harness.cli.loading import load_plugins
    from harness.data.folders import locate
    from harness.spec import DataSpec, checked
    from harness.tasks import find_task

    plugins = load_plugins()
    spec = checked(DataSpec, notation.parse_data(data) if data is not None else {})
    tasks = [find_task(name, plugins)[1] for name in names]
    cache = options.cache_folder()
    return [(task, locate(task.name, spec, "full", cache, plugins)) for task in tasks]


def _print_plan(plan: Plan) -> None:
    from harness.cli.screen import stdout

    screen = stdout()
    screen.line(f"{plan.task}: {plan.title}")
    size = "not known" if plan.examples is None else f"{plan.examples:,}"
    for head, text in (
        ("folder", str(plan.folder)),
        ("items", size),
        ("licence", plan.licence),
        ("page", plan.page),
        ("lock file", plan.lock),
        *(("or", layout) for layout in plan.others),
        *(("hub copy", copy) for copy in plan.copies),
    ):
        screen.beside(head, text, indent=13)
    for file in plan.files:
        screen.line(f"  {file.path}")
        screen.paragraph(file.state + _size(file.size), indent=13)
    screen.paragraph(plan.instructions)


def _size(size: int | None) -> str:
    return "" if size is None else f" ({size / 2**20:.1f} MiB)"


def _code_of(verdicts: Sequence[Verdict], *, as_json: bool) -> int:
    """The exit code; as JSON, all verdicts in one list."""
    from harness.cli.render import print_json

    if as_json:
        print_json(
            [dataclasses.asdict(found) | {"folder": str(found.folder)} for found in verdicts]
        )
    return 0 if all(found.is_sound for found in verdicts) else FAULTY


def _print_fetched(done: Fetched) -> None:
    _print_verdict(done.verdict)
    if done.lacks:
        say(f"  the hub copy lacks {done.lacks}")


def _print_verdict(verdict: Verdict) -> None:
    if not verdict.is_sound:
        for problem in verdict.problems[:FAULTS_SHOWN]:
            tell(f"error: {problem}")
        more = len(verdict.problems) - FAULTS_SHOWN
        if more > 0:
            tell(f"error: and {more:,} more")
        return
    part = ", a part" if verdict.is_part else ""
    if not (verdict.is_counted or verdict.is_part):
        part = " (how many there should be is not known)"
    say(
        f"{verdict.task}: sound, {verdict.examples:,} items{part}, "
        f"digest {verdict.digest[:12]}, {verdict.source}, in {verdict.folder}"
        + (f"; {verdict.note}" if verdict.note else "")
    )
