"""The append-only log from which a killed evaluation goes on."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from harness.atomic import stored

Key = tuple[str, int]
DIGITS = 16


class ResumeLog:
    """Outputs of one cell, a line per finished batch: the hash of its JSON, and the JSON.

    A line that is not what was written is dropped, and asked again. An output is found by what was
    asked (a stage) and its place there, so a run may go on with batches of another size.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[Key, Any] = {}
        self._sizes: dict[Key, int] = {}
        self.damaged = 0
        """Whole lines that are not what was written; one that a killed run began is none."""
        lines = path.read_bytes().split(b"\n") if path.is_file() else [b""]
        for line in lines[:-1]:
            if not line:
                continue
            if (batch := _read(line)) is None:
                self.damaged += 1
            else:
                self._keep(*batch)
        self._is_torn = bool(lines[-1])

    def __enter__(self) -> Self:
        with stored(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, key: Key) -> bool:
        return key in self._found

    def __getitem__(self, key: Key) -> Any:
        return self._found[key]

    def add(self, stage: str, size: int, indices: Sequence[int], outputs: Sequence[Any]) -> None:
        """Keep the outputs of one batch, asked in batches of `size`.

        Raises:
            StorageError: They cannot be written.
        """
        pairs = list(zip(indices, outputs, strict=True))
        self._append(json.dumps([stage, size, pairs]).encode())
        self._keep(stage, size, pairs)

    def _append(self, content: bytes) -> None:
        """One line in one piece, so that two processes may write to one log."""
        line = b"\n" * self._is_torn + _hash(content) + b" " + content + b"\n"
        with stored(self._path):
            while line:  # a second piece only where room ends, to be told so
                line = line[self._file.write(line) :]
        self._is_torn = False

    def _keep(self, stage: str, size: int, pairs: Sequence[tuple[int, Any]]) -> None:
        for index, output in pairs:
            self._found[stage, index] = output
            self._sizes[stage, index] = size

    @property
    def batch_sizes(self) -> dict[int, int]:
        """Batch size -> how many outputs were made in batches of that size."""
        return dict(sorted(Counter(self._sizes.values()).items()))


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:DIGITS].encode()


def _read(line: bytes) -> tuple[str, int, list[tuple[int, Any]]] | None:
    """Stage, batch size and outputs by place; None if the line is not what was written."""
    digest, _, content = line.partition(b" ")
    if digest != _hash(content):
        return None
    stage, size, pairs = json.loads(content)
    return stage, size, pairs
