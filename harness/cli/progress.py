"""Progress on stderr: live on a terminal, one line per stage elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.plugin import RunInfo, StageInfo, hookimpl

#: Stages that are over in no time get no line of their own when piped.
QUIET_STAGES = ("verify", "rank", "calibrate")


class PlainProgress:
    """One line per stage, for pipes and logs."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    @hookimpl
    def harness_stage_finished(self, info: StageInfo) -> None:
        if info.stage not in QUIET_STAGES:
            self._console.print(f"{info.stage}: {info.label}", soft_wrap=True, markup=False)
        if info.detail:
            self._console.print(indent(info.detail), soft_wrap=True, markup=False)


class LiveProgress:
    """The running stage with its bar, the layer or task at hand and the time left."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar: TaskID | None = None

    @hookimpl
    def harness_run_started(self, info: RunInfo) -> None:
        self._progress.console.print(
            f"{info.model}: {info.rows} rows, into {info.results}/", markup=False
        )

    @hookimpl
    def harness_stage_started(self, info: StageInfo) -> None:
        self._bar = self._progress.add_task(info.stage, total=None, label=info.label, step="")

    @hookimpl
    def harness_progress(self, done: int, total: int, label: str) -> None:
        if self._bar is not None:
            self._progress.update(self._bar, completed=done, total=total, step=label)

    @hookimpl
    def harness_stage_finished(self, info: StageInfo) -> None:
        if self._bar is not None:
            self._progress.remove_task(self._bar)
            self._bar = None
        if info.detail:
            self._progress.console.print(f"{info.label}: sparsity per block", markup=False)
            self._progress.console.print(indent(info.detail), soft_wrap=True, markup=False)


def indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


@contextmanager
def live_progress() -> Iterator[PlainProgress | LiveProgress]:
    """A listener that shows progress on stderr: live on a terminal, line by line elsewhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield PlainProgress()
        return
    columns = (
        TextColumn("{task.description:<9}"),
        TextColumn("{task.fields[label]}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[step]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield LiveProgress(progress)


@contextmanager
def live_report(label: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for (what is at hand, done, total) on a terminal, one line per thing elsewhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        told: set[str] = set()

        def tell(step: str, done: int, total: int) -> None:
            if step not in told:
                told.add(step)
                console.print(f"{label}: {step}", soft_wrap=True, markup=False)

        yield tell
        return
    columns = (TextColumn(label), BarColumn(bar_width=24), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)

        def show(step: str, done: int, total: int) -> None:
            progress.update(bar, description=step, completed=done, total=total or None)

        yield show
