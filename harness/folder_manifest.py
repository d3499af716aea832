"""What a saved folder holds: its manifest, ``harness.json``, and whether it is still that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from harness.asked import hash_of
from harness.atomic import write_atomically
from harness.digests import file_digest, tensor_digests
from harness.entry import Entry
from harness.errors import CheckpointError, InputError
from harness.record import PruneRecord
from harness.semi_structured import WEIGHTS as PACKED
from harness.store import encode, read_record

MANIFEST = "harness.json"
#: Of the manifest; since 2 it holds digests of the record, since 3 of all files.
SCHEMA_VERSION = 3
TENSORS = "*.safetensors"
#: Ends of files that no loader reads.
FOR_PEOPLE = (".md",)
Format = Literal["hf", "masks"]
Digests = Mapping[str, Mapping[str, str]]
"""File of the folder -> tensor in it -> SHA-256 of its bytes."""


class Manifest(Entry):
    """What a folder holds."""

    schema_version: int = SCHEMA_VERSION
    format: Format
    record: PruneRecord
    record_digests: Mapping[str, str]
    """Part of the record, e.g. ``got.sparsity`` -> SHA-256 of its JSON."""
    meets_budget: bool
    """Whether every layer keeps what its budget says, to the weight."""
    masks_suffice: bool
    """Whether the dense weights and the masks alone make the pruned model."""
    tensors: Digests
    files: Mapping[str, str]
    """Every other file that a loader may read, by its path in the folder -> SHA-256."""

    @field_validator("schema_version")
    @classmethod
    def _is_read_here(cls, version: int) -> int:
        if version != SCHEMA_VERSION:
            raise ValueError(
                f"the folder is of version {version}, this harness reads {SCHEMA_VERSION}; "
                f"prune and save the model again"
            )
        return version

    @property
    def dense(self) -> str:
        """Name or folder of the dense model, as it was called when it was pruned."""
        return self.record.circumstances.model_path


def write_manifest(folder: Path, form: Format, record: PruneRecord, *, masks_suffice: bool) -> None:
    """Write down what lies in a folder, when all else does."""
    manifest = Manifest(
        format=form,
        record=record,
        record_digests=_record_digests(record),
        meets_budget={i.name: i.keep for i in record.got.sparsity.layers} == record.got.budget,
        masks_suffice=masks_suffice,
        tensors={path.name: tensor_digests(path) for path in sorted(folder.glob(TENSORS))},
        files=_other_files(folder),
    )
    write_atomically(folder / MANIFEST, encode(manifest))


def read_manifest(folder: str) -> Manifest | None:
    """The manifest of the pruned model that a folder holds, or None where it holds another.

    Raises:
        DataError: There is a manifest and it cannot be read.
        InputError: No folder can have that name.
    """
    path = Path(folder) / MANIFEST
    try:
        is_there = path.is_file()
    except OSError as error:
        raise InputError(f"model {folder}: cannot be read ({error.strerror})") from None
    return read_record(path, Manifest) if is_there else None


def refuse_damaged(folder: Path, manifest: Manifest) -> None:
    """Compare a folder with the digests in its manifest.

    Raises:
        CheckpointError: A part of the record, a tensor or a file is not the one that was saved.
    """
    _refuse_links(folder)
    _check_record(folder, manifest)
    _check_files(folder, manifest)
    _check_tensors(folder, manifest)


def _refuse_links(folder: Path) -> None:
    """A saved folder holds files; what a link out of it leads to is not even looked at."""
    inside = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            raise CheckpointError(
                f"{path} is a link that leads out of the folder; a saved folder holds its files"
            )


def _other_files(folder: Path) -> dict[str, str]:
    """Hash of every file but the manifest, tensors, and what is there for people or tools."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _is_aside(path.relative_to(folder))
    }


def _is_aside(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    is_tensors = path.parent == Path() and path.match(TENSORS)
    return is_hidden or is_tensors or path == Path(MANIFEST) or path.suffix.lower() in FOR_PEOPLE


def _check_files(folder: Path, manifest: Manifest) -> None:
    """An edited file, or one more for a loader to read, makes another model."""
    found = _other_files(folder)
    tensors = {path.name for path in folder.glob(TENSORS)} - {PACKED}
    more = tensors.difference(manifest.tensors)
    for name in sorted(manifest.files.keys() | found.keys() | more):
        if name in more or manifest.files.get(name) != found.get(name):
            what = (
                "is missing" if name in manifest.files and name not in found
                else "was not saved with it" if name not in manifest.files
                else "has other bytes than were saved"
            )  # fmt: skip
            raise CheckpointError(
                f"{folder / name} {what}; a changed folder is another model: copy it without "
                f"{MANIFEST} to evaluate it as that"
            )


def _record_digests(record: PruneRecord) -> dict[str, str]:
    """Hash of every part of a record; of `asked`, `got` and `circumstances`, of every field."""
    digests: dict[str, str] = {}
    for part, content in json.loads(record.model_dump_json()).items():
        if isinstance(content, dict):
            digests |= {f"{part}.{name}": hash_of(value) for name, value in content.items()}
        else:
            digests[part] = hash_of(content)
    return digests


def _check_record(folder: Path, manifest: Manifest) -> None:
    for part, digest in _record_digests(manifest.record).items():
        if manifest.record_digests.get(part) != digest:
            raise CheckpointError(
                f"{folder / MANIFEST}: record.{part} is not what was saved; "
                f"the file has to stay as it was written"
            )


def _check_tensors(folder: Path, manifest: Manifest) -> None:
    for name, wanted in manifest.tensors.items():
        if Path(name).name != name:
            raise CheckpointError(f"{folder / MANIFEST}: {name!r} is no file of the folder")
        found = tensor_digests(folder / name)
        for tensor in wanted.keys() | found.keys():
            if wanted.get(tensor) != found.get(tensor):
                what = (
                    "is missing" if tensor not in found
                    else "was not saved with it" if tensor not in wanted
                    else "has other bytes than were saved"
                )  # fmt: skip
                raise CheckpointError(f"{folder / name}: tensor {tensor} {what}")
