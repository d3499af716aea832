"""Killed at any event, or run twice at once: nothing filed is lost, nothing is done twice."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.pipeline import run
from harness.plugin import RunInfo, StageInfo, hookimpl
from harness.plugin.manager import load_plugins
from harness.spec import RunSpec
from harness.store import Store
from tests.end_to_end.worlds import TinyFolder, contents, image_folder, vit_spec

PRUNERS = ("magnitude", "ecoflap score.samples=2")
KILLED = 9
#: Every so many events a run is killed; `tox -e faults` kills more, at any moment.
APART = 4
Fork = multiprocessing.get_context("fork")


class Listener:
    """Counts events and calls a function after each."""

    def __init__(self, after: Callable[[int, str], None]) -> None:
        self._after = after
        self.count = 0

    def _happened(self, what: str) -> None:
        self.count += 1
        self._after(self.count, what)

    @hookimpl
    def harness_run_started(self, info: RunInfo) -> None:
        self._happened("run started")

    @hookimpl
    def harness_run_finished(self, info: RunInfo) -> None:
        self._happened("run finished")

    @hookimpl
    def harness_stage_started(self, info: StageInfo) -> None:
        self._happened(f"{info.stage} started: {info.label}")

    @hookimpl
    def harness_stage_finished(self, info: StageInfo) -> None:
        self._happened(f"{info.stage} finished: {info.label}")

    @hookimpl
    def harness_progress(self, stage: str, done: int) -> None:
        self._happened(f"{stage} progress {done}")


def listened(spec: RunSpec) -> list[str]:
    """All events of a run."""
    events: list[str] = []
    outcome = run(spec, load_plugins(Listener(lambda _, what: events.append(what))))
    assert not outcome.failures
    return events


def run_until(spec: RunSpec, event: int) -> None:
    """Exit without any clean-up after that event, as a killed process does."""

    def after(count: int, what: str) -> None:
        if count == event:
            os._exit(KILLED)

    run(spec, load_plugins(Listener(after)))
    os._exit(0)


def in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    process = Fork.Process(target=function, args=arguments)
    process.start()
    return process


@pytest.fixture
def world(tiny_folder: TinyFolder, tmp_path: Path) -> Callable[..., RunSpec]:
    data = image_folder(tmp_path / "data")

    def spec(results: str, *pruners: str, **changes: Any) -> RunSpec:
        return vit_spec(tiny_folder("vit"), data, tmp_path / results, pruners or PRUNERS, **changes)

    return spec


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_an_event_the_next_call_finishes_the_rest(
    world: Callable[..., RunSpec],
) -> None:
    events = listened(world("whole"))
    expected = contents(world("whole").results)
    filed_by = [sum(e.startswith("file finished") for e in events[:n]) for n in range(len(events))]
    scored = max(i for i, event in enumerate(events) if event.startswith("score "))
    assert len(expected) == 10

    for number in range(0, len(events), APART):
        spec = world(f"killed{number}")
        process = in_a_process(run_until, spec, number + 1)
        process.join()
        assert process.exitcode == KILLED, events[number]

        filed = contents(spec.results)
        assert len(filed) in (filed_by[number], filed_by[number] + 1, filed_by[number] + 2)
        assert all(expected[key] == record for key, record in filed.items()), events[number]
        rest = listened(spec)

        assert contents(spec.results) == expected, events[number]
        evaluated = sum(e.startswith("evaluate started") for e in rest)
        evals = len(list(Store(spec.results).evals()))
        assert evaluated == evals - sum(r["asked"]["kind"] == "eval" for r in filed.values())
        if number > scored:
            assert not any(event.startswith("score ") for event in rest), "scored twice"
        assert not list(spec.results.rglob("*.jsonl")), "a resume log is left"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_runs_in_one_folder_lose_nothing(world: Callable[..., RunSpec]) -> None:
    ours, theirs = ("magnitude", "wanda"), ("wanda", "ecoflap score.samples=2")
    for pruners in (ours, theirs):
        run(world("apart", *pruners), load_plugins())

    processes = [
        in_a_process(run_until, world("together", *pruners), -1) for pruners in (ours, theirs)
    ]
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0]
    assert contents(world("together").results) == contents(world("apart").results)
    boards = list((world("together").results / "leaderboards").glob("*.md"))
    assert len(boards) == 1
