"""What progress says at 80 and 140 columns, when piped, and of times that are made up."""

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from harness.cli.clocks import RunClock, StageClock, duration, times
from harness.cli.progress import LiveProgress, PlainProgress, live_bars
from harness.cli.screen import Screen
from harness.escape.terminal import HANDLER
from harness.plugin import CellInfo, RunInfo, StageInfo

LABEL = "score=zeroth-order budget=capped-proportional local=magnitude 0.5 seed 0 on vqav2"
EVALUATE = StageInfo(stage="evaluate", label=LABEL)
METRICS = StageInfo(stage="metrics", label=LABEL)


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def console(width: int = 80, encoding: str = "utf-8", **given: Any) -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=HANDLER)
    return Console(file=file, width=width, highlight=False, color_system=None, **given)


def told(screen: Console) -> str:
    assert isinstance(screen.file, io.TextIOWrapper)
    screen.file.flush()
    written: Any = screen.file.buffer
    return written.getvalue().decode(screen.file.encoding)


def begin(display: LiveProgress | PlainProgress, clock: Clock, *, cells: int = 6) -> None:
    """Two cells that took 100 seconds each, and the third has begun."""
    display.harness_run_started(RunInfo(model="m[/v2]", rows=3, results="r"))
    kinds = [CellInfo(label=str(place), kind="vqav2") for place in range(cells)]
    display.harness_cells_planned(kinds)
    for number in (1, 2, 3):
        display.harness_cell_started(number, kinds[number - 1])
        clock.time += 100 if number < 3 else 0
    display.harness_stage_started(EVALUATE)
    display.harness_progress(0, 1200, "vqav2 generate")
    clock.time += 2
    display.harness_progress(512, 1200, "vqav2 generate")


def frames(clock: Clock, width: int, encoding: str = "utf-8", **given: Any) -> Iterator[list[str]]:
    """The lines that stand on a terminal while it evaluates, then while it computes metrics."""
    screen = console(width, encoding, force_terminal=True, **given)
    bars = live_bars(screen, clock)
    display = LiveProgress(bars, Screen(screen), clock)
    begin(display, clock)
    for stage in (None, METRICS):
        if stage is not None:
            display.harness_stage_started(stage)
        before = len(told(screen))
        screen.print(bars.get_renderable())
        yield [line.rstrip() for line in told(screen)[before:].splitlines()]
    display.harness_stage_finished(EVALUATE)
    before = len(told(screen))
    screen.print(bars.get_renderable())
    assert told(screen)[before:].split()[0] == "run"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("width", [80, 140])
def test_count_and_times_stay_and_labels_are_cut(width: int, encoding: str, clock: Clock) -> None:
    evaluating, measuring = frames(clock, width, encoding)

    stage, run = evaluating
    assert re.match("evaluate +score=zeroth-order", stage)
    assert stage.endswith("512/1200 2 s so far, 3 s left")
    assert re.match("run +cell 3 of 6 ", run)
    assert run.endswith("3:22 min so far, 6:38 min left")
    assert all(len(line) <= width for line in (*evaluating, *measuring))
    assert ("…" in stage) == (encoding == "utf-8")
    assert re.match("metrics +score=", measuring[0])
    assert measuring[0].endswith("0 s so far")
    assert measuring[1].split()[0] == "run"


def test_a_pipe_gets_a_line_a_stage_and_one_a_minute(clock: Clock) -> None:
    screen = console()
    display = PlainProgress(Screen(screen), clock)
    begin(display, clock)
    for done in (600, 700, 1100, 1190):
        clock.time += 40
        display.harness_progress(done, 1200, "vqav2 generate")
    display.harness_stage_started(METRICS)
    display.harness_stage_finished(METRICS)
    display.harness_stage_finished(EVALUATE)
    display.harness_stage_finished(StageInfo(stage="allocate", label="[/x]", detail="a\n\x1bb"))

    assert told(screen).splitlines() == [
        f"evaluate: {LABEL} (cell 3 of 6): 700 of 1200, 1:22 min so far, 59 s left; "
        "run: 4:42 min so far, 5:18 min left",
        f"evaluate: {LABEL} (cell 3 of 6): 1190 of 1200, 2:42 min so far, 1 s left; "
        "run: 6:02 min so far, 5:00 min left",
        f"evaluate: {LABEL} (cell 3 of 6)",
        "allocate: [/x] (cell 3 of 6)",
        "  a",
        "  \\x1bb",
    ]


def test_a_quiet_stage_is_told_if_it_takes_long(clock: Clock) -> None:
    screen = console()
    display = PlainProgress(Screen(screen), clock)
    for seconds in (1, 6):
        display.harness_stage_started(METRICS)
        clock.time += seconds
        display.harness_stage_finished(METRICS)

    assert told(screen).splitlines() == [f"metrics: {LABEL}"]


def test_time_left_of_a_resumed_stage_is_by_what_it_did_itself() -> None:
    clock = StageClock(0)
    assert clock.left(1) is None
    clock.step(10, 900, 1000)
    assert clock.left(10) is None
    clock.step(20, 910, 1000)
    assert clock.left(20) == 90
    assert clock.left(25) == 85
    assert times(clock, 25) == "25 s so far, 1:25 min left"


def test_time_left_of_a_run_is_by_kinds_of_cells() -> None:
    """Dense took 10 s on vqav2 and 100 s on nocaps; wanda is at its second cell, pruned in 50 s."""
    run = RunClock(0)
    run.plan(["vqav2", "nocaps", "prune", "vqav2", "nocaps", "new"])
    for number, now in ((1, 0), (2, 10), (3, 110), (4, 160)):
        assert (run.left(now) is None) == (number <= 2)
        run.begin(now, number)

    assert run.cell == "cell 4 of 6"
    mean = (10 + 100 + 50) / 3
    assert run.left(164) == pytest.approx(6 + 100 + mean)
    assert run.left(999) == pytest.approx(100 + mean)


def test_durations_are_in_the_unit_that_people_would_take() -> None:
    assert [duration(x) for x in (0.2, 59.4, 59.6, 3599, 3600)] == [
        *("0 s", "59 s", "1:00 min", "59:59 min", "1:00 h")
    ]
