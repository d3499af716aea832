"""Check a folder: read it as the task does, count, and compare every byte with its lock file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.examples import check_examples
from harness.data.folders import Report, miscounts, missing_files
from harness.data.images import unreadable_images
from harness.data.lock import Lock, differences, digest_of, measure, read_lock, write_lock
from harness.errors import DataError, InputError
from harness.plugin import Encode, Example, Task

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
    is_counted: bool
    """Whether it is known how many there should be."""
    digest: str
    source: str
    is_part: bool
    note: str = ""

    @property
    def is_sound(self) -> bool:
        return not self.problems


def verify(task: Task, folder: Path, *, part: bool, report: Report, source: str = FOUND) -> Verdict:
    """Check a folder against the task's manifest and its lock file.

    Without a lock file every image that the task shows is decoded, and a sound folder gets one:
    from then on equal bytes are enough.

    Args:
        part: The folder holds a part of the data on purpose, so that counts are not compared.
        source: What a new lock file says of where the data is from.

    Raises:
        InputError: The task's data is no folder whose files are known.
        DataError: There is no such folder; it says how to get it.
    """
    manifest = task.manifest
    if not manifest.files:
        raise InputError(
            f"{manifest.task}: its manifest names no files, so there is nothing to verify; the "
            f"data is its library's, see {manifest.page}"
        )
    if not folder.is_dir():
        raise DataError(folder, f"no such folder. {manifest.instructions()}")
    lock = read_lock(folder)
    part = lock.is_part if lock is not None else part
    examples, problems = _read(task, folder)
    is_counted = True
    if examples is not None:
        if lock is None:
            problems += unreadable_images(examples, report)
        layout = manifest.layout_in(folder)
        is_counted = layout.is_counted
        if not part:
            problems += [
                f"{path}: {wrong}; if it is a part on purpose, say --part"
                for path, wrong in miscounts(layout, folder, len(examples))
            ]
    files = measure(manifest, folder, report)
    if lock is not None:
        problems += [f"{folder / name}: {what}" for name, what in differences(lock, files)]
    note = ""
    if lock is None and examples is not None and not problems:
        lock = Lock(
            task=manifest.task,
            source=source,
            examples=len(examples),
            is_part=part,
            digest=digest_of(files),
            files=files,
        )
        note = write_lock(folder, lock) or "lock file written"
    return Verdict(
        task=manifest.task,
        folder=folder,
        problems=tuple(dict.fromkeys(problems)),
        examples=None if examples is None else len(examples),
        is_counted=is_counted,
        digest=digest_of(files),
        source=lock.source if lock else source,
        is_part=part,
        note=note,
    )


def _read(task: Task, folder: Path) -> tuple[Sequence[Example] | None, list[str]]:
    """The examples that the task's own reader finds, or what it stumbles over."""
    try:
        examples = task.examples(folder, task.profiles[0], Encode(_bytes_of))
        check_examples(examples, folder)
    except DataError as error:
        if any(layout.files[0].is_in(folder) for layout in task.manifest.others):
            return None, [str(error)]
        gone = missing_files(task.manifest, folder)
        return None, [f"{folder / file.path}: is missing" for file in gone] or [str(error)]
    return examples, []


def _bytes_of(text: str, **_: bool) -> list[int]:
    """A tokenizer that every machine has: only counts and structure matter here."""
    return list(text.encode())
