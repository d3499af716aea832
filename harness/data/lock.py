"""The lock file: what a folder held when it was fetched or first verified, byte for byte."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.data.folders import LOCK, Report, layout_files
from harness.errors import DataError
from harness.plugin import Manifest

SCHEMA_VERSION = 1
#: Between two reports of progress.
FILES_PER_REPORT = 256


class Mark(BaseModel):
    """Size and hash of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str


class Lock(BaseModel):
    """The content of a task's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    task: str
    source: str
    """Where it was fetched from, with the revision; ``found`` = it was put there by hand."""
    examples: int
    is_part: bool
    """Whether the folder holds less than the manifest says, on purpose."""
    digest: str
    """Hash of all paths and hashes: equal folders, equal digests, whatever their source."""
    files: Mapping[str, Mark]


def measure(manifest: Manifest, folder: Path, report: Report) -> dict[str, Mark]:
    """Hash every file of the layout, several at a time."""
    names = layout_files(manifest, folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = {}
        for name, mark in zip(names, pool.map(lambda n: _mark(folder / n), names), strict=True):
            found[name] = mark
            if len(found) % FILES_PER_REPORT == 0 or len(found) == len(names):
                report("hash", len(found), len(names))
    return found


def _mark(path: Path) -> Mark:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Mark(size=path.stat().st_size, sha256=digest)


def digest_of(files: Mapping[str, Mark]) -> str:
    lines = (f"{mark.sha256}  {name}\n" for name, mark in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_lock(folder: Path) -> Lock | None:
    """The folder's lock file; None = it has none.

    Raises:
        DataError: It is damaged.
    """
    path = folder / LOCK
    try:
        return Lock.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise DataError(path, "not a readable lock file; delete it to measure anew") from None


def write_lock(folder: Path, lock: Lock) -> str:
    """Write it; returns why not, where the folder cannot be written to."""
    made = folder / f".{LOCK}.{os.getpid()}"
    try:
        made.write_text(lock.model_dump_json(indent=1) + "\n", encoding="utf-8")
        made.replace(folder / LOCK)
    except OSError as error:
        return f"no lock file was written ({error.strerror})"
    return ""


def differences(lock: Lock, files: Mapping[str, Mark]) -> Iterator[tuple[str, str]]:
    """(file, what is other than the lock says), by name."""
    for name in sorted({*lock.files, *files}):
        then, now = lock.files.get(name), files.get(name)
        if now is None:
            yield name, "is gone; the lock file has it"
        elif then is None:
            yield name, "is new; the lock file does not have it"
        elif then.size != now.size:
            yield name, f"has {now.size:,} bytes, not {then.size:,}"
        elif then.sha256 != now.sha256:
            yield name, f"other bytes: SHA-256 {now.sha256[:12]}, not {then.sha256[:12]}"
