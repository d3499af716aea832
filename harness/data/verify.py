"""Check a folder: read it as the task does, count, and compare every byte with its lock file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.data.folders import Report, miscount, missing_files
from harness.data.lock import Lock, differences, digest_of, measure, read_lock, write_lock
from harness.errors import DataError
from harness.plugin import Manifest, Task

FOUND = "found"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found out about a folder."""

    task: str
    folder: Path
    problems: tuple[str, ...]
    """Each names its file, and the row and field where one is at fault."""
    examples: int | None
    """None = the folder cannot be read."""
    digest: str
    source: str
    is_part: bool
    note: str = ""

    @property
    def is_sound(self) -> bool:
        return not self.problems


def verify(task: Task, folder: Path, *, part: bool, report: Report, source: str = FOUND) -> Verdict:
    """Check a folder against the task's manifest and its lock file; without one, write it.

    Args:
        part: The folder holds a part of the data on purpose, so that counts are not compared.
        source: What a new lock file says of where the data is from.

    Raises:
        DataError: There is no such folder; it says how to get it.
    """
    manifest = task.manifest
    if not folder.is_dir():
        raise DataError(folder, f"no such folder. {manifest.instructions()}")
    lock = read_lock(folder)
    part = lock.is_part if lock is not None else part
    examples, problems = _read(task, folder)
    if not part:
        problems += _miscounts(manifest, folder, examples)
    files = measure(manifest, folder, report)
    if lock is not None:
        problems += [f"{folder / name}: {what}" for name, what in differences(lock, files)]
    note = ""
    if lock is None and examples is not None and not problems:
        lock = Lock(
            task=manifest.task,
            source=source,
            examples=examples,
            is_part=part,
            digest=digest_of(files),
            files=files,
        )
        note = write_lock(folder, lock) or "lock file written"
    return Verdict(
        task=manifest.task,
        folder=folder,
        problems=tuple(dict.fromkeys(problems)),
        examples=examples,
        digest=digest_of(files),
        source=lock.source if lock else source,
        is_part=part,
        note=note,
    )


def _read(task: Task, folder: Path) -> tuple[int | None, list[str]]:
    """How many examples the task's own reader finds, or what it stumbles over."""
    try:
        return len(task.examples(folder, task.profiles[0], _bytes_of)), []
    except DataError as error:
        gone = [
            f"{folder / file.path}: is missing" for file in missing_files(task.manifest, folder)
        ]
        return None, gone or [str(error)]


def _bytes_of(text: str) -> list[int]:
    """A tokenizer that every machine has: only counts and structure matter here."""
    return list(text.encode())


def _miscounts(manifest: Manifest, folder: Path, examples: int | None) -> Iterator[str]:
    if examples is not None and (wrong := miscount(manifest, folder, examples)):
        yield f"{folder}: {wrong}; if it is a part on purpose, say --part"
    for file in manifest.files:
        path = folder / file.path
        if file.lines is not None and path.is_file():
            with path.open("rb") as stream:
                lines = sum(1 for _ in stream)
            if lines != file.lines:
                yield f"{path}: {lines:,} lines, not {file.lines:,}"
