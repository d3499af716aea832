"""Progress on stderr: live on a terminal, line by line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, OverflowMethod
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

from harness.cli.clocks import RunClock, StageClock, times
from harness.cli.screen import Screen
from harness.plugin import CellInfo, RunInfo, StageInfo, hookimpl

#: Stages that are over in no time get no line of their own when piped, unless they take longer.
QUIET_STAGES = ("verify", "rank", "calibrate", "metrics", "file")
QUIET_SECONDS = 5.0
#: A long stage says how far it is so often, in seconds.
INTERVAL = 60.0
#: Terminals narrower than this have short bars.
WIDE = 100

Now = Callable[[], float]


class Course:
    """Where a run is: its cells, and the stages that are running, the innermost last."""

    def __init__(self, screen: Screen, now: Now = time.monotonic) -> None:
        self.screen = screen
        self.now = now
        self.run = RunClock(now())
        self.stages: list[tuple[StageInfo, StageClock]] = []

    @hookimpl
    def harness_run_started(self, info: RunInfo) -> None:  # noqa: ARG002
        self.run = RunClock(self.now())

    @hookimpl
    def harness_cells_planned(self, cells: Sequence[CellInfo]) -> None:
        self.run.plan([cell.kind for cell in cells])

    @hookimpl
    def harness_cell_started(self, number: int, cell: CellInfo) -> None:  # noqa: ARG002
        self.run.begin(self.now(), number)

    @hookimpl
    def harness_stage_started(self, info: StageInfo) -> None:
        self.stages.append((info, StageClock(self.now())))

    def end(self, info: StageInfo) -> float:
        """Take off the stage that ended, and what inside it did not end well; seconds it took."""
        while self.stages:
            last, clock = self.stages.pop()
            if (last.stage, last.label) == (info.stage, info.label):
                return clock.so_far(self.now())
        return 0.0


class PlainProgress(Course):
    """A line when a stage ends, and one a minute while it goes on: for pipes and logs."""

    _told = 0.0

    @hookimpl
    def harness_stage_started(self, info: StageInfo) -> None:
        super().harness_stage_started(info)
        self._told = self.now()

    @hookimpl
    def harness_progress(self, done: int, total: int, label: str) -> None:  # noqa: ARG002
        if not self.stages:
            return
        info, clock = self.stages[-1]
        now = self.now()
        clock.step(now, done, total)
        if now - self._told >= INTERVAL:
            self._told = now
            at = f"{done} of {total}, {times(clock, now)}"
            run = f"; run: {times(self.run, now)}" if self.run.cell else ""
            self.screen.line(f"{self._named(info)}: {at}{run}")

    @hookimpl
    def harness_stage_finished(self, info: StageInfo) -> None:
        took = self.end(info)
        if info.stage not in QUIET_STAGES or took >= QUIET_SECONDS:
            self.screen.line(self._named(info))
        if info.detail:
            self.screen.lines(info.detail, indent=2)

    def _named(self, info: StageInfo) -> str:
        cell = f" ({self.run.cell})" if self.run.cell else ""
        return f"{info.stage}: {info.label}{cell}"


class LiveProgress(Course):
    """The running stage and, below it, the run: what stays readable at 80 columns."""

    def __init__(self, progress: Progress, screen: Screen, now: Now = time.monotonic) -> None:
        super().__init__(screen, now)
        self._progress = progress
        self._stage_bar: TaskID | None = None
        self._run_bar: TaskID | None = None

    @hookimpl
    def harness_run_started(self, info: RunInfo) -> None:
        super().harness_run_started(info)
        self.screen.line(f"{info.model}: {info.rows} rows, into {info.results}/")

    @hookimpl
    def harness_cell_started(self, number: int, cell: CellInfo) -> None:
        super().harness_cell_started(number, cell)
        self._show()

    @hookimpl
    def harness_stage_started(self, info: StageInfo) -> None:
        super().harness_stage_started(info)
        self._show()

    @hookimpl
    def harness_progress(self, done: int, total: int, label: str) -> None:
        if self._stage_bar is not None:
            info, clock = self.stages[-1]
            clock.step(self.now(), done, total)
            at = f"{info.label}, {label}" if label else info.label
            count = f"{done}/{total}"
            self._progress.update(
                self._stage_bar, completed=done, total=total, label=at, count=count
            )

    @hookimpl
    def harness_stage_finished(self, info: StageInfo) -> None:
        self.end(info)
        self._show()
        if info.detail:
            self.screen.line(f"{info.label}: sparsity per block")
            self.screen.lines(info.detail, indent=2)

    def _show(self) -> None:
        """The innermost stage in place of what was shown, above the run."""
        for bar in (self._stage_bar, self._run_bar):
            if bar is not None:
                self._progress.remove_task(bar)
        self._stage_bar = self._run_bar = None
        if self.stages:
            info, clock = self.stages[-1]
            self._stage_bar = self._add(info.stage, info.label, clock)
        if self.run.cell:
            done, total = self.run.share
            self._run_bar = self._add("run", self.run.cell, self.run, done, total)

    def _add(
        self,
        stage: str,
        label: str,
        clock: StageClock | RunClock,
        done: int = 0,
        total: int | None = None,
    ) -> TaskID:
        return self._progress.add_task(
            stage, completed=done, total=total, label=label, count="", clock=clock
        )


class Words(ProgressColumn):
    """A field of a bar's; one that is cut gives way to the others."""

    def __init__(self, screen: Screen, name: str, *, is_cut: bool = False) -> None:
        overflow: OverflowMethod = "ellipsis" if screen.is_unicode else "crop"
        ratio = 1 if is_cut else None
        super().__init__(table_column=Column(no_wrap=True, overflow=overflow, ratio=ratio))
        self._screen = screen
        self._name = name

    def render(self, task: Task) -> Text:
        """The field as text alone."""
        return self._screen.text(str(task.fields[self._name]))


class Stage(ProgressColumn):
    """What a bar is of."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(table_column=Column(no_wrap=True, min_width=len("calibrate")))
        self._screen = screen

    def render(self, task: Task) -> Text:
        """The stage's name."""
        return self._screen.text(task.description)


class Times(ProgressColumn):
    """Time so far and time left, told apart."""

    def __init__(self, screen: Screen, now: Now) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._screen = screen
        self._now = now

    def render(self, task: Task) -> Text:
        """Both in words."""
        return self._screen.text(times(task.fields["clock"], self._now()))


def live_bars(console: Console, now: Now = time.monotonic) -> Progress:
    """Bars whose stage, count and times always stay; labels are cut where the width ends."""
    screen = Screen(console)
    return Progress(
        Stage(screen),
        Words(screen, "label", is_cut=True),
        BarColumn(bar_width=24 if console.width >= WIDE else 8),
        Words(screen, "count"),
        Times(screen, now),
        console=console,
        transient=True,
        expand=True,
    )


@contextmanager
def live_progress() -> Iterator[PlainProgress | LiveProgress]:
    """A listener that shows progress on stderr."""
    console = Console(stderr=True, highlight=False)
    screen = Screen(console)
    if not console.is_terminal:
        yield PlainProgress(screen)
        return
    with live_bars(console) as progress:
        yield LiveProgress(progress, screen)


@contextmanager
def live_report(label: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for (what is at hand, done, total) on a terminal, one line per thing elsewhere."""
    console = Console(stderr=True, highlight=False)
    screen = Screen(console)
    if not console.is_terminal:
        told: set[str] = set()

        def tell(step: str, done: int, total: int) -> None:
            if step not in told:
                told.add(step)
                screen.line(f"{label}: {step}")

        yield tell
        return
    with live_bars(console) as progress:
        clock = StageClock(time.monotonic())
        bar = progress.add_task(label, total=None, label="", count="", clock=clock)

        def show(step: str, done: int, total: int) -> None:
            clock.step(time.monotonic(), done, total)
            progress.update(bar, label=step, completed=done, total=total or None)

        yield show
