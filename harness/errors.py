"""Every error the harness raises on purpose.

    HarnessError                 one line: what was wrong, the value seen, what would be right
    ├── InputError               the caller can mend it; the command ends with exit code 2
    │   ├── UnknownNameError     no plugin, task, model or option of that name
    │   ├── DuplicateNameError   two distributions give the same name
    │   ├── InfeasibleError      no budget can meet the target and its caps
    │   ├── DataError            a data file is missing, unreadable or lacks a field
    │   │   └── DamagedError     a filed or cached file is not what was written
    │   ├── AbsentError          what it needs is not installed; a run goes on without it
    │   └── CheckpointError      weights that cannot be read or are not what they claim
    ├── StorageError             what was computed cannot be written; the run stops, exit code 1
    └── RunError                 a stage failed; the cell is filed as failed, exit code 1
        ├── PartError            an estimator, allocator or pruner broke its contract
        └── VerificationError    what was pruned is not what was asked

A plugin raises the same classes, from `harness.plugin`.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path


class HarnessError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command line returns.

    Args:
        faults: What is wrong; several where they are found at once.
    """

    exit_code = 1

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = tuple(map(str, faults))

    def __str__(self) -> str:
        return "; ".join(self.faults)


class InputError(HarnessError):
    """What was asked cannot be done as asked."""

    exit_code = 2


class UnknownNameError(InputError):
    """A name that nothing installed answers to.

    Args:
        known: What would be right.
        beside: What else to know, e.g. which plugins were set aside; "" = nothing.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], beside: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        if not names:
            hint = "there are none"
        super().__init__("; ".join(filter(None, [f"unknown {kind} {name!r}", hint, beside])))


class DuplicateNameError(InputError):
    """Two distributions give the same name; neither is used."""


class InfeasibleError(InputError):
    """The target cannot be met within its caps."""


class DataError(InputError):
    """A data file is missing, unreadable or not in its format.

    Args:
        path: The file or folder at fault.
        problem: What is wrong and what would be right.
        row: Which entry of the file, if one is at fault.
    """

    def __init__(self, path: Path, problem: str, row: str | None = None) -> None:
        where = f"{path}, {row}" if row else f"{path}"
        super().__init__(f"{where}: {problem}")


class DamagedError(DataError):
    """A file that the harness wrote holds other bytes than were written."""


class AbsentError(InputError):
    """What a task needs is not here, installed or able; a run evaluates the others and says why."""


class CheckpointError(InputError):
    """Weights that cannot be read, or are not what their manifest says."""


class StorageError(HarnessError):
    """What was computed cannot be written; the run stops, and the next one goes on from there."""


class RunError(HarnessError):
    """A stage failed; nothing is filed as its result."""


class PartError(RunError):
    """A plugged-in part returned something its protocol forbids."""


class VerificationError(RunError):
    """The pruned weights contradict the masks, the budget or the target."""
