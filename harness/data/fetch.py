"""Fetch a task's data: official files where they can be had, a hub copy for what they lack."""

from __future__ import annotations

import pkgutil
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.data.download import download_files
from harness.data.folders import Report, missing_files
from harness.data.hub import OpenCopy, open_local, open_remote
from harness.data.lock import read_lock
from harness.data.verify import Verdict, verify
from harness.errors import HarnessError, InputError
from harness.plugin import Manifest, Task


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A folder that is ready, and what it lacks."""

    verdict: Verdict
    lacks: str = ""
    """What the hub copy it is made of has not."""


def fetch(
    task: Task,
    folder: Path,
    *,
    source: Path | None,
    from_hub: bool,
    part: bool,
    report: Report,
) -> Fetched:
    """Fill `folder` with the official layout, verify it and write its lock file.

    What is there stays; what a broken-off call has loaded is not loaded again. A folder that has
    a lock file is only verified.

    Args:
        source: A folder with a hub copy's parquet files, instead of the network.
        from_hub: Take the hub copy even where the official files can be had.
        part: Accept fewer rows than the manifest says.

    Raises:
        InputError: The network fails, or something has to be got by hand; it says what and where.
        DataError: What was got is not what the manifest says; it names file, row and field.
    """
    if read_lock(folder) is not None:
        return Fetched(verdict=verify(task, folder, part=part, report=report))
    store = folder.with_name(f"{folder.name}.download")
    try:
        origins, copy = _fill(
            task.manifest, folder, store, source, report, from_hub=from_hub, part=part
        )
    except HarnessError:
        raise
    except OSError as error:
        hint = "" if from_hub or not task.manifest.hub else " --hub asks for the hub copy alone."
        raise InputError(
            f"{task.manifest.task} cannot be fetched ({error}).{hint} By hand: "
            f"{task.manifest.by_hand(str(folder))}"
        ) from None
    verdict = verify(task, folder, part=part, report=report, source="; ".join(origins) or "found")
    if verdict.is_sound:
        shutil.rmtree(store, ignore_errors=True)
    return Fetched(verdict=verdict, lacks=copy.copy.lacks if copy else "")


def _fill(
    manifest: Manifest,
    folder: Path,
    store: Path,
    source: Path | None,
    report: Report,
    *,
    from_hub: bool,
    part: bool,
) -> tuple[list[str], OpenCopy | None]:
    """Where things are from, and the hub copy that was used."""
    origins: list[str] = []
    begun = store / "converting"
    if source is None and not (from_hub and manifest.hub):
        origins = download_files(manifest, folder, store, report)
        if not missing_files(manifest, folder) and not begun.exists():
            return origins, None
    if source is not None:
        copy = open_local(manifest, source, part=part)
    elif manifest.hub:
        copy = open_remote(manifest, store, report, part=part)
    else:
        lacking = ", ".join(file.path for file in missing_files(manifest, folder))
        raise InputError(
            f"{lacking} of {manifest.task} cannot be fetched; {manifest.by_hand(str(folder))}"
        )
    report("convert", 0, 0)
    store.mkdir(parents=True, exist_ok=True)
    begun.touch()
    pkgutil.resolve_name(copy.copy.convert)(copy.tables, folder, copy.copy)
    begun.unlink()
    return [*origins, copy.source], copy
