"""The append-only log from which a killed evaluation goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self


class ResumeLog:
    """Finished batches of one cell, a JSON line each; a torn last line is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found = dict(_read_lines(path))

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        torn = self._path.is_file() and not self._path.read_bytes().endswith(b"\n")
        self._file = self._path.open("a", encoding="utf-8")
        self._file.write("\n" if torn else "")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def get(self, number: int, size: int) -> list[Any] | None:
        found = self._found.get(number)
        return found if found is not None and len(found) == size else None

    def add(self, number: int, outputs: list[Any]) -> None:
        self._file.write(json.dumps([number, outputs]) + "\n")
        self._file.flush()


def _read_lines(path: Path) -> Iterator[tuple[int, list[Any]]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            number, outputs = json.loads(line)
        except ValueError:
            continue
        yield number, outputs
