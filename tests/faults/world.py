"""A small real run in a process of its own, watched from outside, and what it has to leave."""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from harness import atomic, bench, cost, eval_cell
from harness.cli import run_command
from harness.store import Store
from tests.end_to_end.worlds import contents, image_folder
from tests.plugins.tiny_families import TABLE

STAGES = ("load", "calibrate", "score", "prune", "evaluate", "file", "rank")
#: A disk as slow as this lets a kill meet a file that is half written.
FSYNC_SECONDS = 0.004
PATIENCE = 120
NUMBER = count()
Prepare = Callable[[], None]


@dataclass
class World:
    """The model, its data, and what an undisturbed run leaves."""

    folder: Path
    arguments: list[str] = field(init=False)
    expected: dict[str, Any] = field(init=False)
    files: set[str] = field(init=False)

    def __post_init__(self) -> None:
        _skip_what_is_slow_and_decides_nothing()
        model, data = self.folder / "model", image_folder(self.folder / "data", per_class=2)
        TABLE["vit"][1](model)
        self.arguments = [
            *("run", "--model", str(model), "--pruner", "magnitude,ecoflap score.samples=4"),
            *("--tasks", "imagenet", "--data", f"imagenet={data}"),
            *("--calibration", f"imagefolder={data} samples=6", "--batch-size", "4"),
        ]
        whole = self.folder / "whole"
        assert self.run(whole) == 0
        self.expected, self.files = contents(whole), files_in(whole)
        assert len(self.expected) == 2 + 4

    def run(self, results: Path) -> int:
        """The exit code of the command, here."""
        return run_command([*self.arguments, "--results", str(results)])

    def start(self, results: Path, prepare: Prepare = lambda: None) -> Running:
        """Run the command in a process of its own.

        Args:
            prepare: Called there before it starts.
        """
        words, seen = results.with_suffix(f".{next(NUMBER)}.stderr"), mmap.mmap(-1, 2)
        child = os.fork()
        if child:
            return Running(child, words, seen)
        code = 99
        try:
            with words.open("wb") as said, Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), 1)
                os.dup2(said.fileno(), 2)
            _tell_stages(seen)
            for number in (signal.SIGINT, signal.SIGHUP):  # ignored where this is run by nohup
                signal.signal(number, signal.default_int_handler)
            prepare()
            code = self.run(results)
        finally:
            os._exit(code)

    def differences(self, results: Path) -> list[str]:
        """What a folder holds otherwise than the undisturbed run's."""
        found, store = contents(results), Store(results)
        different = [key for key in self.expected if found.get(key) != self.expected[key]]
        files = files_in(results)
        different += sorted(files - self.files)
        different += [file for file in self.files - files if not file.startswith("cache/")]
        for record in store.evals():
            list(store.read_samples(record))
        return different + list(store.notes.values())


@dataclass
class Running:
    """A process that runs the command."""

    pid: int
    words: Path
    seen: mmap.mmap
    """Number of the stage that it is in, from 1; and how many it has begun."""
    code: int | None = None

    @property
    def stage(self) -> str:
        return STAGES[self.seen[0] - 1] if self.seen[0] else "start"

    def reach(self, stage: str, occurrence: int) -> bool:
        """Wait until it begins that stage for the so manieth time; False if it ends before."""
        met, before = 0, (0, 0)
        while self.poll() is None:
            now = (self.seen[0], self.seen[1])
            if now != before and now[0] == STAGES.index(stage) + 1:
                met += 1
                if met >= occurrence:
                    return True
            before = now
            time.sleep(0.0003)
        return False

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """The exit code, negative for a signal that ended it; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self) -> int:
        """The exit code.

        Raises:
            TimeoutError: It hangs.
        """
        until = time.monotonic() + PATIENCE
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                self.send(signal.SIGKILL)
                raise TimeoutError(f"hangs in {self.stage}: {self.words.read_text()}")
            time.sleep(0.002)
        return code

    @property
    def said(self) -> str:
        return self.words.read_text(encoding="utf-8", errors="replace")


def files_in(folder: Path) -> set[str]:
    """Every file by its path in the folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def _skip_what_is_slow_and_decides_nothing() -> None:
    """Versions and the state of the working copy stand among a record's circumstances alone."""
    versions = cache(cost.library_versions)
    cost.library_versions = eval_cell.library_versions = versions
    cost.commit_of = lambda *_: None


def _tell_stages(seen: mmap.mmap) -> None:
    """Write down each stage as it begins, and let files reach the disk slowly."""
    stage_of, fsync = bench.Announcer.stage, os.fsync

    @contextmanager
    def stage(self: bench.Announcer, name: Any, label: str) -> Iterator[bench.RunningStage]:
        if name in STAGES:
            seen[1] = (seen[1] + 1) % 256
            seen[0] = STAGES.index(name) + 1
        with stage_of(self, name, label) as running:
            yield running

    def slowly(handle: int) -> None:
        fsync(handle)
        time.sleep(FSYNC_SECONDS)

    bench.Announcer.stage = stage  # type: ignore[method-assign]
    atomic.os.fsync = slowly  # type: ignore[attr-defined]
