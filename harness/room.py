"""Whether a disk has the room that a run will need."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import InputError

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def refuse_without_room(place: Path, needed: int, option: str) -> None:
    """Compare what will be written with what is free.

    Args:
        place: A file or folder that need not be there yet.
        needed: Bytes, about.
        option: What names the place.

    Raises:
        InputError: Less is free.
    """
    paths = (place.absolute(), *place.absolute().parents)
    free = shutil.disk_usage(next(path for path in paths if path.exists())).free
    if free < needed:
        raise InputError(
            f"{option} {place}: about {size_text(needed)} are needed there, {size_text(free)} are "
            f"free; make room or name a place that has it"
        )


def size_text(size: float) -> str:
    """Bytes for people.

    >>> size_text(999), size_text(1_260_000)
    ('999 bytes', '1.3 MB')
    """
    for unit in UNITS[:-1]:
        if size < 1000:
            return f"{size:.3g} {unit}" if unit == UNITS[0] else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {UNITS[-1]}"
