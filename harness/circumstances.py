"""All that may differ between two runs of the same spec, as records keep it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.entry import Entry


class Commit(Entry):
    """State of the working copy that the harness ran from; results do not make it dirty."""

    hash: str
    dirty: bool


class Circumstances(Entry):
    """All that may differ between two runs of the same spec."""

    seconds: Mapping[str, float] = {}
    """Stage -> wall time."""
    peak_memory_bytes: int | None = None
    """Of the device where there is one, else of the process; None = not measurable here."""
    batch_sizes: Mapping[int, int] = {}
    """Batch size -> outputs made at it; more than one after a run that was resumed at another."""
    finished: str = ""
    host: str = ""
    hardware: str = ""
    threads: int = 0
    versions: Mapping[str, str] = {}
    argv: tuple[str, ...] = ()
    model_path: str = ""
    data_path: str = ""
    commit: Commit | None = None
    warnings: tuple[str, ...] = ()
    """What libraries warned of before, which the command line did not show."""
    traceback: str = ""
    """Of a cell that failed."""
    spec: Mapping[str, Any] = {}
    """What was asked for this cell alone, with paths: ``harness run --from`` replays it."""
