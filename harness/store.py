"""The results folder: records written once, caches that may be deleted at any time.

    records/<model>/<row>/<sparsity>/seed<k>/prune-<key12>.json
                                             eval-<task>-<key12>.json and .samples.jsonl.gz
                                             failed-<kind>-<key12>.json
    leaderboards/<board>.md and .csv         generated, rewritten when bytes change
    cache/scores, cache/masks, cache/samples what the next run would else compute again

A file is made under another name and linked to its own: either it is there in full or not at
all, and of two runs that make the same one the first wins.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.asked import canonical
from harness.atomic import create, write_atomically
from harness.errors import DataError
from harness.record import EvalRecord, FailureRecord, PruneRecord
from harness.wording import explain

KEY_LENGTH = 12
#: Bytes of a record; those of models with thousands of layers are a few million.
LONGEST = 1 << 27
R = TypeVar("R", bound=BaseModel)


def slug(text: str) -> str:
    """Lower case, only ``[a-z0-9.-]``.

    >>> slug("ecoflap score.eps=0.01")
    'ecoflap-score.eps-0.01'
    """
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unnamed"


class Store:
    """Records and caches under one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"

    def folder(self, model: str, row: str, sparsity: float, seed: int | None) -> Path:
        seeded = "seedless" if seed is None else f"seed{seed}"
        return self.root / "records" / slug(model) / slug(row) / f"{sparsity:g}" / seeded

    def file_prune(self, record: PruneRecord) -> Path:
        """Write a prune record, unless there is one of its key."""
        row, asked = record.pruner, record.asked
        folder = self.folder(record.model, row, asked.sparsity, asked.seed)
        return create(folder / f"prune-{record.key[:KEY_LENGTH]}.json", encode(record))

    def file_eval(self, record: EvalRecord, samples: Sequence[Mapping[str, Any]]) -> Path:
        """Write the per-sample log, then the record that vouches for it."""
        folder = self.folder(record.model, record.row, record.asked_sparsity, record.seed)
        stem = f"eval-{slug(record.task)}-{record.key[:KEY_LENGTH]}"
        lines = "".join(canonical(sample) + "\n" for sample in samples)
        create(folder / f"{stem}.samples.jsonl.gz", gzip.compress(lines.encode(), mtime=0))
        return create(folder / f"{stem}.json", encode(record))

    def file_failure(self, record: FailureRecord) -> Path:
        folder = self.folder(record.model, record.row, record.sparsity, record.seed)
        kind = slug(f"{record.asked.kind}-{record.task}" if record.task else record.asked.kind)
        return create(folder / f"failed-{kind}-{record.key[:KEY_LENGTH]}.json", encode(record))

    def find_prune(self, key: str) -> PruneRecord | None:
        return self._find(f"prune-{key[:KEY_LENGTH]}.json", PruneRecord, key)

    def find_eval(self, task: str, key: str) -> EvalRecord | None:
        return self._find(f"eval-{slug(task)}-{key[:KEY_LENGTH]}.json", EvalRecord, key)

    def _find(self, name: str, kind: type[R], key: str) -> R | None:
        for path in sorted(self.root.glob(f"records/*/*/*/*/{name}")):
            record = read_record(path, kind)
            if getattr(record, "key", None) == key:
                return record
        return None

    def prunes(self) -> Iterator[PruneRecord]:
        yield from self._all("prune-*.json", PruneRecord)

    def evals(self) -> Iterator[EvalRecord]:
        yield from self._all("eval-*.json", EvalRecord)

    def failures(self) -> Iterator[FailureRecord]:
        yield from self._all("failed-*.json", FailureRecord)

    def _all(self, pattern: str, kind: type[R]) -> Iterator[R]:
        for path in sorted(self.root.glob(f"records/*/*/*/*/{pattern}")):
            yield read_record(path, kind)

    def read_samples(self, record: EvalRecord) -> Iterator[dict[str, Any]]:
        """The rows of the per-sample log beside a record, one after the other.

        Raises:
            DataError: It cannot be read, or is not the one that the record vouches for.
        """
        folder = self.folder(record.model, record.row, record.asked_sparsity, record.seed)
        path = folder / f"eval-{slug(record.task)}-{record.key[:KEY_LENGTH]}.samples.jsonl.gz"
        hasher = hashlib.sha256()
        try:
            with gzip.open(path) as lines:
                for number, line in enumerate(lines):
                    hasher.update((b"\n" if number else b"") + line.rstrip(b"\n"))
                    yield json.loads(line)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise DataError(path, f"cannot read the per-sample log ({error})") from None
        if hasher.hexdigest() != record.got.samples:
            raise DataError(path, "not the per-sample log that was filed: its digest differs")

    def write_leaderboard(self, name: str, text: str) -> bool:
        """Write a generated file; False if its bytes are what they were."""
        path = self.root / "leaderboards" / name
        content = text.encode()
        if path.is_file() and path.read_bytes() == content:
            return False
        write_atomically(path, content)
        return True


def log_digest(log: Iterable[Mapping[str, Any]]) -> str:
    """Hash of a per-sample log."""
    return hashlib.sha256("\n".join(map(canonical, log)).encode()).hexdigest()


def read_record(path: Path, kind: type[R]) -> R:
    """Read one record.

    Raises:
        DataError: It is not readable or not of that kind.
    """
    try:
        with path.open("rb") as file:
            written = file.read(LONGEST + 1)
        if len(written) > LONGEST:
            raise DataError(path, f"longer than {LONGEST:,} bytes, so no {kind.__name__}")
        return kind.model_validate_json(written)
    except OSError as error:
        raise DataError(path, f"cannot be read ({error})") from None
    except ValidationError as error:
        raise DataError(path, f"not a {kind.__name__}: {explain(error, kind)}") from None


def encode(record: BaseModel) -> bytes:
    """A record as it stands in its file."""
    content = json.loads(record.model_dump_json())  # strict JSON: infinities become words
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
