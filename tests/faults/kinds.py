"""The kinds of faults; each breaks runs at random moments, runs again, and compares."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path
from random import Random

from harness import atomic
from tests.faults.table import Table
from tests.faults.world import STAGES, Prepare, Running, World


@dataclass(frozen=True)
class Share:
    """Which faults are tried by a process."""

    part: float
    """Of all, in (0, 1]."""
    job: int
    jobs: int
    chance: Random
    """The same in every job."""
    turns: Iterator[int] = field(default_factory=count)


Fault = Callable[[World, Table, Share, Random], None]
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Kills of each signal in each stage.
KILLS = 8
#: Seconds after a stage begins within which it is killed.
LONGEST = {"load": 0.15, "evaluate": 0.05, "file": 0.012, "rank": 0.02}
#: How often a stage comes in a run, where that is more than once.
TIMES = {"prune": 2, "evaluate": 4, "file": 6}
NUMBER = count()


def times(number: int, share: Share) -> range:
    """So many times, or a share of them, by chance; of those, the turns of this job."""
    turns = sum(share.chance.random() < share.part for _ in range(number))
    return range(sum(next(share.turns) % share.jobs == share.job for _ in range(turns)))


def new_folder(world: World) -> Path:
    return world.folder / f"results{os.getpid()}-{next(NUMBER)}"


def killed(world: World, table: Table, share: Share, draw: Random) -> None:
    """Every signal in every stage."""
    for stage, number in product(STAGES, SIGNALS):
        for _ in times(KILLS, share):
            results = new_folder(world)
            running = _killed_in(world, results, stage, number, draw)
            code, met = running.wait(), running.stage
            wrong = [] if code in _codes(number) else [f"exit code {code}: {running.said}"]
            _finish(world, table, results, met, number.name, wrong)


def _killed_in(
    world: World, results: Path, stage: str, number: signal.Signals, draw: Random
) -> Running:
    """Kill a run in a stage; anew, until it was met before its end."""
    while True:
        shutil.rmtree(results, ignore_errors=True)
        running = world.start(results)
        if running.reach(stage, draw.randint(1, TIMES.get(stage, 1))):
            time.sleep(draw.uniform(0, LONGEST.get(stage, 0.03)))
            if running.poll() is None:
                running.send(number)
                return running
        running.wait()


def _codes(number: signal.Signals) -> tuple[int, ...]:
    """By the signal, or by the end of the run that it came too late for."""
    return (-number, 0) if number == signal.SIGKILL else (128 + number, 0)


def full(world: World, table: Table, share: Share, draw: Random) -> None:
    """No room for files over a size, or from a moment on."""

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        most = draw.randint(3_000, 20_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    def no_room_from(place: int) -> Prepare:
        def prepare() -> None:
            settle, left = os.fsync, [place]

            def refuse(handle: int) -> None:
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                settle(handle)

            atomic.os.fsync = refuse  # type: ignore[attr-defined]

        return prepare

    for place in times(10, share):
        for prepare in (small_files, no_room_from(place)):
            results = new_folder(world)
            draw.random()
            running = world.start(results, prepare)
            code, stage = running.wait(), running.stage
            _finish(world, table, results, stage, "no room", _told(running, code, 0, 1))


def unwritable(world: World, table: Table, share: Share, draw: Random) -> None:
    """Something stands where a folder has to be: it refuses writers as a read-only folder does."""
    places = ("", "records", "leaderboards", "cache/masks", "cache/samples", "cache/scores")
    for place in [place for place in places for _ in times(1, share)]:
        results = new_folder(world)
        blocked = results / place
        blocked.parent.mkdir(parents=True, exist_ok=True)
        blocked.write_text("in the way")
        running = world.start(results)
        code, stage = running.wait(), running.stage
        blocked.unlink()
        _finish(world, table, results, stage, "unwritable", _told(running, code, 1, 2))


def deleted(world: World, table: Table, share: Share, draw: Random) -> None:
    """The results folder is deleted under a run."""
    for stage in STAGES:
        for _ in times(2, share):
            results = new_folder(world)
            running = world.start(results)
            if running.reach(stage, 1):
                time.sleep(draw.uniform(0, LONGEST.get(stage, 0.03)))
                met = running.stage
                shutil.rmtree(results, ignore_errors=True)
                code = running.wait()
                _finish(world, table, results, met, "deleted", _told(running, code, 0, 1))


#: Kind of file -> those of it, and what has to be gone for it to be read again.
KINDS = {
    "prune record": ("records/**/prune-*.json", ()),
    "eval record": ("records/**/eval-*.json", ()),
    "per-sample log": ("records/**/*.samples.jsonl.gz", ()),
    "board": ("leaderboards/*", ()),
    "masks": ("cache/masks/*", ("records/**/eval-*.json",)),
    "scores": ("cache/scores/*", ("records/**/*", "cache/masks/*")),
    "batches": ("cache/samples/*", ()),
}


def damaged(world: World, table: Table, share: Share, draw: Random) -> None:
    """Flipped bytes, cut and empty files of every kind that a results folder holds."""
    damages = {"flipped": _flip, "cut": _cut, "emptied": _empty}
    for (kind, (pattern, gone)), (name, damage) in product(KINDS.items(), damages.items()):
        for _ in times(4 if name == "flipped" else 1, share):
            results = new_folder(world)
            if kind == "batches":
                while not list(results.glob(pattern)):
                    _killed_in(world, results, "evaluate", signal.SIGKILL, draw).wait()
            else:
                shutil.copytree(world.folder / "whole", results)
            damage(draw.choice(sorted(results.glob(pattern))), draw)
            for path in [path for other in gone for path in results.glob(other)]:
                if path.is_file():
                    path.unlink()
            _finish(world, table, results, kind, name, [])


def _flip(path: Path, draw: Random) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)


def _cut(path: Path, draw: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(max(1, len(content)))])


def _empty(path: Path, draw: Random) -> None:
    path.write_bytes(b"")


def together(world: World, table: Table, share: Share, draw: Random) -> None:
    """Two and four processes in one folder, a part of them killed."""
    for number in (2, 4):
        for turn in times(4, share):
            results = new_folder(world)
            started = [world.start(results) for _ in range(number)]
            if turn % 2:
                time.sleep(draw.uniform(0, 1))
                started[0].send(signal.SIGKILL)
            fine = (0, -signal.SIGKILL) if turn % 2 else (0,)
            wrong = [
                f"exit code {running.code}: {running.said}"
                for running in started
                if running.wait() not in fine
            ]
            fault = f"{number} processes" + (", one killed" if turn % 2 else "")
            _finish(world, table, results, "all", fault, wrong)


def _told(running: Running, code: int, *fine: int) -> list[str]:
    """What is wrong with how a run ended: its exit code, or that it said more than a line."""
    wrong = [] if code in fine else [f"exit code {code}: {running.said}"]
    return wrong + ([running.said] if "Traceback" in running.said else [])


def _finish(
    world: World, table: Table, results: Path, stage: str, fault: str, wrong: list[str]
) -> None:
    """Run to the end and compare."""
    records = results.glob("records/*/*/*/*/*.json") if fault in NAMES else ()
    filed = {path: path.read_bytes() for path in records}
    again = world.start(results)
    code = again.wait()
    corrupt = [*wrong, *_told(again, code, 0)]
    lost = [str(path) for path, content in filed.items() if path.read_bytes() != content]
    different = [] if corrupt else world.differences(results)
    table.add(stage, fault, lost=lost, corrupt=corrupt, different=different)
    shutil.rmtree(results, ignore_errors=True)


NAMES = [number.name for number in SIGNALS]
FAULTS: tuple[Fault, ...] = (killed, full, unwritable, deleted, damaged, together)
