"""One input at a time: refused in one line, accepted as what it is, or a fault of ours."""

import contextlib
import io
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from harness.cli.failing import DEFECT, failure_of
from harness.errors import HarnessError
from harness.told import LONGEST

#: Seconds of processor time that an input may take; of the clock, ten times as many.
PATIENCE = 60
Attempt = tuple[str, Callable[[], str]]
"""What is given, for people; and what gives it: it raises, or says what should be refused."""


@dataclass(frozen=True)
class Area:
    """A kind of inputs."""

    name: str
    attempt: Callable[[Random], Attempt]
    weight: int
    """Share of all inputs, in parts of the sum."""


@dataclass
class Tally:
    """What became of an area's inputs."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """``area number: input: what went wrong``, and the traceback."""

    @property
    def cells(self) -> list[int]:
        return [self.counts[kind] for kind in KINDS]


KINDS = ("tried", "refused", "accepted", "tracebacks", "over-long", "inconsistent")


class Hung(BaseException):
    """An input took longer than `PATIENCE`."""


class Said(HarnessError):
    """What a whole command said when it ended with an exit code of its own."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = code


@contextlib.contextmanager
def patient() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hung

    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    signal.alarm(10 * PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def try_one(area: Area, seed: int, number: int, tally: Tally) -> None:
    """Make the input of that number, give it, and count what became of it."""
    tally.counts["tried"] += 1
    shown, give = area.attempt(Random(f"{seed} {area.name} {number}"))
    where = f"{area.name} {number}: {shown[:300]!r}"
    quiet = io.StringIO()
    try:
        with patient(), contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
            wrong = give()
    except Hung:
        tally.counts["tracebacks"] += 1
        tally.faults.append(f"{where}: took longer than {PATIENCE} s")
    except Exception as error:
        kind, told = judge(error)
        tally.counts[kind] += 1
        if kind != "refused":
            found = "" if isinstance(error, Said) else "".join(traceback.format_exception(error))
            tally.faults.append(f"{where}: {told}\n{found}")
    else:
        tally.counts["inconsistent" if wrong else "accepted"] += 1
        if wrong:
            tally.faults.append(f"{where}: {wrong}")


def judge(error: Exception) -> tuple[str, str]:
    """(kind, what a person reads)."""
    if isinstance(error, Said):
        lines, code = str(error).splitlines(), error.exit_code
        if code == DEFECT or any(line.startswith("Traceback") for line in lines):
            return "tracebacks", str(error)
        told = [line for line in lines if line.startswith(("error:", "failed:", "absent:"))]
        is_long = not told or any(len(line) > LONGEST for line in lines)
        return "over-long" if is_long else "refused", str(error)
    failure = failure_of(error)
    if failure.code == DEFECT:
        return "tracebacks", failure.line
    is_long = any(len(line) > LONGEST for line in failure.line.splitlines())
    return "over-long" if is_long else "refused", failure.line
