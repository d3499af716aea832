"""The results folder: records written once, caches that may be deleted at any time.

    records/<model>/<row>/<sparsity>/seed<k>/prune-<key12>.json
                                             eval-<task>-<key12>.json and .samples.jsonl.gz
                                             failed-<kind>-<key12>.json
    leaderboards/<board>.md and .csv         generated, rewritten when bytes change
    cache/scores, cache/masks, cache/samples what the next run would else compute again

A file is made under another name and linked to its own: either it is there in full or not at
all, and of two runs that make the same one the first wins. A record holds the hash of all that it
says but its circumstances, and that of its per-sample log: one that is damaged counts as missing.
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

from harness.asked import canonical, hash_of
from harness.atomic import create, write_atomically
from harness.cost import WRITTEN
from harness.errors import DamagedError, DataError, RunError
from harness.record import EvalRecord, FailureRecord, PruneRecord
from harness.unfinished import ENDING, clear_unfinished
from harness.wording import explain

KEY_LENGTH = 12
LONGEST_SLUG = 160
#: What a record's own hashes are called in its file.
DIGEST, CIRCUMSTANCES = "digest", "circumstances"
#: Bytes of a record; those of models with thousands of layers are a few million.
LONGEST = 1 << 27
R = TypeVar("R", bound=BaseModel)


def slug(text: str) -> str:
    """Lower case, only ``[a-z0-9.-]``; a long one ends in a digest, as file names are limited.

    >>> slug("ecoflap score.eps=0.01")
    'ecoflap-score.eps-0.01'
    """
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unnamed"
    if len(plain) <= LONGEST_SLUG:
        return plain
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:KEY_LENGTH]
    return f"{plain[: LONGEST_SLUG - KEY_LENGTH - 1]}-{digest}"


class Store:
    """Records and caches under one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"
        self.notes: dict[Path, str] = {}
        """Damaged file -> a line for people."""

    def clear(self) -> None:
        """Remove what killed processes had begun to write."""
        clear_unfinished(self.root, f".*{ENDING}")
        for folder in WRITTEN:
            clear_unfinished(self.root / folder)

    def folder(self, model: str, row: str, sparsity: float, seed: int | None) -> Path:
        seeded = "seedless" if seed is None else f"seed{seed}"
        return self.root / "records" / slug(model) / slug(row) / f"{sparsity:g}" / seeded

    def file_prune(self, record: PruneRecord) -> Path:
        """Write a prune record, unless there is one of its key."""
        row, asked = record.pruner, record.asked
        folder = self.folder(record.model, row, asked.sparsity, asked.seed)
        return self._file(folder / f"prune-{record.key[:KEY_LENGTH]}.json", record)

    def file_eval(self, record: EvalRecord, samples: Sequence[Mapping[str, Any]]) -> Path:
        """Write the per-sample log, then the record that vouches for it.

        Raises:
            RunError: A record is filed whose log is damaged, and these are other samples.
        """
        path, log = self._eval_path(record), self._log_path(record)
        filed = self._read_whole(path, EvalRecord)
        if self._why_no_log(filed or record):
            if filed is not None and filed.got.samples != record.got.samples:
                raise RunError(
                    f"{log} is damaged, and evaluating again gave other answers than its record "
                    f"says; the thread count, hardware or library versions may differ"
                )
            lines = "".join(canonical(sample) + "\n" for sample in samples)
            write_atomically(log, gzip.compress(lines.encode(), mtime=0))
        return self._file(path, record)

    def file_failure(self, record: FailureRecord) -> Path:
        folder = self.folder(record.model, record.row, record.sparsity, record.seed)
        kind = slug(f"{record.asked.kind}-{record.task}" if record.task else record.asked.kind)
        return self._file(folder / f"failed-{kind}-{record.key[:KEY_LENGTH]}.json", record)

    def _file(self, path: Path, record: PruneRecord | EvalRecord | FailureRecord) -> Path:
        """Write a record, unless there is a whole one."""
        write = create if self._read_whole(path, type(record)) else write_atomically
        write(path, encode_filed(record))
        return path

    def _read_whole(self, path: Path, kind: type[R]) -> R | None:
        """A record; None if it is missing, or damaged, which is noted."""
        if not path.is_file():
            return None
        try:
            return read_record(path, kind)
        except DamagedError as error:
            self.notes[path] = f"{error}; it counts as missing"
            return None

    def find_prune(self, key: str) -> PruneRecord | None:
        return self._find(f"prune-{key[:KEY_LENGTH]}.json", PruneRecord, key)

    def find_eval(self, task: str, key: str) -> EvalRecord | None:
        """The record of that key whose per-sample log is whole."""
        found = self._find(f"eval-{slug(task)}-{key[:KEY_LENGTH]}.json", EvalRecord, key)
        if found is not None and (why := self._why_no_log(found)):
            self.notes[self._log_path(found)] = f"{why}; it counts as missing"
            return None
        return found

    def _why_no_log(self, record: EvalRecord) -> str | None:
        """What is wrong with the per-sample log of a record; None if nothing is."""
        try:
            for _ in self._log_lines(record):
                pass
        except DataError as error:
            return str(error)
        return None

    def _find(self, name: str, kind: type[R], key: str) -> R | None:
        for path in sorted(self.root.glob(f"records/*/*/*/*/{name}")):
            record = self._read_whole(path, kind)
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
            record = self._read_whole(path, kind)
            if record is not None:
                yield record

    def read_samples(self, record: EvalRecord) -> Iterator[dict[str, Any]]:
        """The rows of the per-sample log beside a record, one after the other.

        Raises:
            DataError: It cannot be read, or is not the one that the record vouches for.
        """
        for line in self._log_lines(record):
            try:
                yield json.loads(line)
            except ValueError as error:
                path = self._log_path(record)
                raise DataError(path, f"cannot read the per-sample log ({error})") from None

    def _log_lines(self, record: EvalRecord) -> Iterator[bytes]:
        """The lines of a per-sample log; only a line feed ends one.

        Raises:
            DataError: It cannot be read; or, at the end, it is not the one that was filed.
        """
        path, hasher = self._log_path(record), hashlib.sha256()
        try:
            with gzip.open(path) as lines:
                for number, line in enumerate(lines):
                    hasher.update((b"\n" if number else b"") + line.rstrip(b"\n"))
                    yield line
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(path, f"cannot read the per-sample log ({error})") from None
        if hasher.hexdigest() != record.got.samples:
            raise DataError(path, "not the per-sample log that was filed: its digest differs")

    def _eval_path(self, record: EvalRecord) -> Path:
        folder = self.folder(record.model, record.row, record.asked_sparsity, record.seed)
        return folder / f"eval-{slug(record.task)}-{record.key[:KEY_LENGTH]}.json"

    def _log_path(self, record: EvalRecord) -> Path:
        return self._eval_path(record).with_suffix(".samples.jsonl.gz")

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
        DamagedError: It is not what was filed.
        DataError: It is not readable, or of a kind that this harness does not know.
    """
    try:
        with path.open("rb") as file:
            written = file.read(LONGEST + 1)
        if len(written) > LONGEST:
            raise DataError(path, f"longer than {LONGEST:,} bytes, so no {kind.__name__}")
        content = json.loads(written)
        filed = content.pop(DIGEST, None) if isinstance(content, dict) else None
        found = _digests(content) if filed else {}
    except OSError as error:
        raise DataError(path, f"cannot be read ({error})") from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"not a {kind.__name__}: no JSON ({error})") from None
    if filed and (not isinstance(filed, dict) or filed.get("said") != found["said"]):
        raise DamagedError(path, f"not the {kind.__name__} that was filed: its digest differs")
    try:
        return kind.model_validate_json(json.dumps(content))
    except ValidationError as error:
        refuse = DataError if filed and filed == found else DamagedError
        raise refuse(path, f"not a {kind.__name__}: {explain(error, kind)}") from None


def encode_filed(record: BaseModel) -> bytes:
    """A record as it stands in the store: with hashes of what it says and its circumstances."""
    content = json.loads(record.model_dump_json())
    return _to_bytes({**content, DIGEST: _digests(content)})


def encode(record: BaseModel) -> bytes:
    """A record as it stands in its file."""
    return _to_bytes(json.loads(record.model_dump_json()))  # strict JSON: infinities become words


def _digests(content: Mapping[str, Any]) -> dict[str, str]:
    """Circumstances have a hash of their own: who edits a path there changes no result."""
    said = {name: part for name, part in content.items() if name != CIRCUMSTANCES}
    return {"said": hash_of(said), CIRCUMSTANCES: hash_of(content.get(CIRCUMSTANCES))}


def _to_bytes(content: object) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
