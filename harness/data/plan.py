"""Say what a task's data is, what of it is there, and what a fetch would do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.data.lock import read_lock
from harness.plugin import HubCopy, Layout, Manifest, OfficialFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """One file or folder of the layout."""

    path: str
    state: str
    """``there``, or what a fetch would do about it."""
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `harness data fetch` would do for one task."""

    task: str
    title: str
    folder: Path
    licence: str
    examples: int | None
    page: str
    files: tuple[PlannedFile, ...]
    others: tuple[str, ...]
    """Layouts that are read as well: their names, files and sizes."""
    lock: str
    """What the lock file says, or that there is none."""
    copies: tuple[str, ...]
    instructions: str


def make_plan(manifest: Manifest, folder: Path, *, from_hub: bool) -> Plan:
    """Look what is there; nothing is loaded."""
    lock = read_lock(folder)
    return Plan(
        task=manifest.task,
        title=manifest.title,
        folder=folder,
        licence=manifest.licence or "not known",
        examples=manifest.examples,
        page=manifest.page,
        files=tuple(
            PlannedFile(
                path=file.path,
                state="there" if file.is_in(folder) else _action(manifest, file, from_hub=from_hub),
                size=file.size,
            )
            for file in manifest.required
        ),
        others=tuple(_other(layout) for layout in manifest.others),
        lock=f"{lock.examples:,} items, digest {lock.digest[:12]}, from {lock.source}"
        if lock
        else "none",
        copies=tuple(_describe(copy) for copy in manifest.hub),
        instructions=manifest.instructions(),
    )


def _action(manifest: Manifest, file: OfficialFile, *, from_hub: bool) -> str:
    if file.url and not (from_hub and manifest.hub):
        told = f"SHA-256 {file.sha256[:12]}…" if file.sha256 else "no SHA-256 is known"
        return f"download {file.url}, {told}"
    return f"convert {manifest.hub[0].repo}" if manifest.hub else "by hand"


def _other(layout: Layout) -> str:
    count = f"{layout.examples:,} items" if layout.examples is not None else "items not known"
    yields = "; read where no other layout is" if layout.yields else ""
    return f"{layout.name}: {', '.join(file.path for file in layout.required)} ({count}{yields})"


def _describe(copy: HubCopy) -> str:
    """One line about a hub copy."""
    names = " = ".join(f"{name}@{at}" if at else name for name, at in copy.names.items())
    rows = ", ".join(
        f"{table.config + '/' if table.config else ''}{table.split}"
        + (f" {table.rows:,} rows" if table.rows is not None else "")
        for table in copy.tables
    )
    pinned = "" if all(copy.names.values()) else "; a commit that is not pinned is recorded"
    gated = "; gated: `hf auth login` first" if copy.gated else ""
    lacks = f"; lacks {copy.lacks}" if copy.lacks else ""
    return f"{names} ({rows}{pinned}{gated}{lacks})"
