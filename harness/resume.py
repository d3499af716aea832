"""The append-only log from which a killed evaluation goes on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

Key = tuple[str, int]


class ResumeLog:
    """Outputs of one cell, a JSON line per finished batch; a torn last line is dropped.

    An output is found by what was asked (a stage) and its place there, so a run may go on with
    batches of another size.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[Key, Any] = {}
        self._sizes: dict[Key, int] = {}
        for stage, size, outputs in _read_lines(path):
            self._keep(stage, size, outputs)

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        torn = self._path.is_file() and not self._path.read_bytes().endswith(b"\n")
        self._file = self._path.open("a", encoding="utf-8")
        self._file.write("\n" if torn else "")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, key: Key) -> bool:
        return key in self._found

    def __getitem__(self, key: Key) -> Any:
        return self._found[key]

    def add(self, stage: str, size: int, indices: Sequence[int], outputs: Sequence[Any]) -> None:
        """Keep the outputs of one batch, asked in batches of `size`."""
        pairs = list(zip(indices, outputs, strict=True))
        self._file.write(json.dumps([stage, size, pairs]) + "\n")
        self._file.flush()
        self._keep(stage, size, pairs)

    def _keep(self, stage: str, size: int, pairs: Sequence[tuple[int, Any]]) -> None:
        for index, output in pairs:
            self._found[stage, index] = output
            self._sizes[stage, index] = size

    @property
    def batch_sizes(self) -> dict[int, int]:
        """Batch size -> how many outputs were made in batches of that size."""
        return dict(sorted(Counter(self._sizes.values()).items()))


def _read_lines(path: Path) -> Iterator[tuple[str, int, list[tuple[int, Any]]]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            stage, size, pairs = json.loads(line)
        except ValueError:
            continue
        yield stage, size, pairs
