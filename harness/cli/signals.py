"""SIGTERM and SIGHUP end a command as Ctrl-C does: what was done stays filed, in one line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from harness.interrupted import ask_to_end, end_if_asked, forget_asking

ENDING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@dataclass
class Ended:
    """How a command was ended from outside."""

    by: signal.Signals = signal.SIGINT

    @property
    def code(self) -> int:
        """What a shell gives for a process that a signal ended."""
        return 128 + self.by

    @property
    def told(self) -> str:
        """A line for people."""
        how = "interrupted" if self.by == signal.SIGINT else f"ended by {self.by.name}"
        return f"{how}; what was done is filed, run again to go on"


@contextmanager
def ending_alike() -> Iterator[Ended]:
    """Inside, each of the signals raises `KeyboardInterrupt` once; a second one ends at once.

    One that is ignored, as `nohup` ignores SIGHUP, stays ignored.
    """
    ended = Ended()
    if threading.current_thread() is not threading.main_thread():
        yield ended
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    heeded = [number for number in ENDING if before[number] is not signal.SIG_IGN]

    def end(number: int, _frame: FrameType | None) -> None:
        for other in heeded:
            signal.signal(other, signal.SIG_DFL)
        ended.by = signal.Signals(number)
        ask_to_end()
        raise KeyboardInterrupt

    forget_asking()
    for number in heeded:
        signal.signal(number, end)
    try:
        yield ended
    except Exception:
        end_if_asked()  # else it is none of what was made of the interrupt
        raise
    finally:
        forget_asking()
        for number in heeded:
            signal.signal(number, before[number])
