"""What people see, in every kind of terminal, at a time that stands still.

``python -m tests.transcripts FOLDER`` shows in order: a board of fixed records, how runs
end, what progress says at one moment, and an error. `record` runs it under a pseudo-terminal or
with pipes; ``HARNESS_TRANSCRIPTS=make pytest tests/end_to_end/test_transcripts.py`` writes the
transcripts anew.
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from harness.cli import run_command
from harness.store import Store, log_digest
from tests.unit.test_leaderboard import eval_record, prune_record


@dataclass
class Outcome:
    """As the pipeline has it, without all that the pipeline imports."""

    filed: int = 0
    skipped: int = 0
    planned: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    boards: Sequence[object] = ()
    notes: list[str] = field(default_factory=list)


ROOT = Path(__file__).parent.parent
LABEL = "score=zeroth-order budget=capped-proportional local=magnitude"


def file_records(root: Path) -> None:
    """Dense, blind and two pruners, one of a long name, on three tasks, with their logs."""
    store = Store(root)
    prunes = {name: prune_record(name) for name in ("wanda", f"{LABEL} [m]")}
    rights = {"dense": 18, "blind": 7, "wanda": 16, f"{LABEL} [m]": 11}
    for prune in prunes.values():
        store.file_prune(prune)
    for name, right in rights.items():
        for place, task in enumerate(("vqav2", "nocaps", "a-task-of-a-stranger-with-a-long-name")):
            log = [row(item, is_right=item < right - place) for item in range(20)]
            score = 100.0 * (right - place) / 20
            got: dict[str, Any] = {"scale": 100.0, "samples": log_digest(log)}
            if place == 0:
                got["breakdown"] = {"yes/no": score, "number": score / 2, "other": score / 4}
            record = eval_record(name, score, pruned=prunes.get(name), task=task, got=got, items=20)
            store.file_eval(record, log)


def row(item: int, *, is_right: bool) -> dict[str, Any]:
    """One line of a per-sample log."""
    return {"id": str(item), "cluster": str(item), "score": float(is_right), "weight": 1.0}


def show_end(root: Path) -> None:
    """What a run says when it is done, and another of which a cell failed."""
    from harness.cli.render import print_outcome
    from harness.leaderboard import write_boards

    done = Outcome(filed=12, boards=write_boards(Store(root)))
    print_outcome(cast("Any", done), root, as_json=False)
    failed = Outcome(
        failures=["wanda on vqav2: [/x] \x1b[31m"],
        tracebacks=["…"],
        absent=["okvqa"],
        notes=["a\u202e"],
    )
    print_outcome(cast("Any", failed), root, as_json=False)


def show_progress() -> None:
    """One moment of an evaluation, as a terminal or a pipe has it."""
    from rich.console import Console

    from harness.cli.progress import LiveProgress, PlainProgress, live_bars
    from harness.cli.screen import Screen
    from tests.unit.test_progress import Clock, begin

    clock, console = Clock(), Console(stderr=True, highlight=False)
    bars = live_bars(console, clock)
    screen = Screen(console)
    if console.is_terminal:
        begin(LiveProgress(bars, screen, clock), clock)
        console.print(bars.get_renderable())
    else:
        display = PlainProgress(screen, clock)
        begin(display, clock)
        clock.time += 60
        display.harness_progress(700, 1200, "")


def main(folder: Path) -> None:
    """Show all of it."""
    os.chdir(folder)
    results = Path("results")
    is_json = "HARNESS_SHOW_JSON" in os.environ
    file_records(results)
    if is_json:
        run_command(["leaderboard", "--json"])
    else:
        show_end(results)
    show_progress()
    run_command(["tasks", "--jsn"])


def record(folder: Path, environment: dict[str, str], width: int | None) -> tuple[str, str | None]:
    """Stdout and stderr of the scenes; from a terminal of that width they come as one.

    Args:
        width: None = both are pipes.
    """
    command = [sys.executable, "-m", "tests.transcripts", str(folder)]
    kept = ("PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV")
    settings = {name: os.environ[name] for name in kept if name in os.environ}
    settings |= {"HF_HUB_OFFLINE": "1", "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment}
    if width is None:
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, check=True)
        return done.stdout.decode(), done.stderr.decode()
    return in_terminal(command, settings, width, ROOT), None


def in_terminal(command: Sequence[str], settings: dict[str, str], width: int, cwd: Path) -> str:
    """All that a command writes to a terminal of that width."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    process = subprocess.Popen(
        command, cwd=cwd, env=settings, stdin=there, stdout=there, stderr=there
    )
    os.close(there)
    chunks = []
    while True:
        try:
            chunk = os.read(here, 65536)
        except OSError:  # Linux tells so that the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(here)
    assert process.wait() == 0
    encoding = settings.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    return b"".join(chunks).decode(encoding).replace("\r\n", "\n")


if __name__ == "__main__":
    from harness.cli.streams import spell_out

    spell_out()
    main(Path(sys.argv[1]))
