"""Pruned models as folders.

A folder in full is what the model's family saves, with the masks beside it; a folder of masks has
nothing else, and is applied to the dense model it was made of. Both have ``harness.json``: what was
pruned how (asked, budget, digests, spec), and the digest of every tensor in the folder. A model
without its removed units has ``structure.json`` as well, which says where its smaller tensors lie
in the full ones.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

from safetensors.torch import save_file

from harness.atomic import new_folder, write_atomically
from harness.errors import CheckpointError, InputError
from harness.masks import Masks
from harness.model import Model, load_model
from harness.patch import open_patch, packed
from harness.plugin.manager import Plugins
from harness.plugin.shapes import write_shapes
from harness.record import SCHEMA_VERSION, Entry, PruneRecord
from harness.spec import ModelSpec
from harness.store import encode, read_record
from harness.structure import shrunken, structure_of

MANIFEST, MASKS = "harness.json", "masks.safetensors"
#: Bytes that are hashed at once.
PIECE = 1 << 24
Format = Literal["hf", "masks"]
Digests = Mapping[str, Mapping[str, str]]
"""File of the folder -> tensor in it -> SHA-256 of its bytes."""


class Manifest(Entry):
    """What a folder holds."""

    schema_version: int = SCHEMA_VERSION
    format: Format
    record: PruneRecord
    masks_suffice: bool
    """Whether the dense weights and the masks alone make the pruned model."""
    tensors: Digests

    @property
    def dense(self) -> str:
        """Name or folder of the dense model, as it was called when it was pruned."""
        return self.record.circumstances.model_path


def save_pruned(
    folder: Path, model: Model, record: PruneRecord, masks: Masks, *, masks_suffice: bool
) -> None:
    """Write the live pruned model as a folder that loads like any other.

    Raises:
        CheckpointError: The folder is there already and not empty.
    """
    with new_folder(folder) as made:
        if record.got.is_shrunk:
            structure = structure_of(model)
            cuts = structure.cuts(structure.kept())
            with shrunken(model):
                model.loaded.save(made)
            write_shapes(made, cuts)
        else:
            model.loaded.save(made)
        _write_manifest(made, "hf", record, masks, masks_suffice=masks_suffice)


def save_masks(folder: Path, record: PruneRecord, masks: Masks, *, masks_suffice: bool) -> None:
    """Write the masks alone.

    Raises:
        CheckpointError: The folder is not empty, or the weights that stay are not the dense ones.
    """
    if not masks_suffice:
        raise CheckpointError(
            f"{record.pruner} changes weights that stay, so masks alone do not make its model; "
            f"save it in full, --format hf"
        )
    with new_folder(folder) as made:
        _write_manifest(made, "masks", record, masks, masks_suffice=True)


def _write_manifest(
    folder: Path, form: Format, record: PruneRecord, masks: Masks, *, masks_suffice: bool
) -> None:
    save_file(packed(masks), folder / MASKS)
    manifest = Manifest(
        format=form,
        record=record,
        masks_suffice=masks_suffice,
        tensors={path.name: _digests(path) for path in sorted(folder.glob("*.safetensors"))},
    )
    write_atomically(folder / MANIFEST, encode(manifest))


def read_manifest(folder: str) -> Manifest | None:
    """The manifest of the pruned model that a folder holds, or None where it holds another.

    Raises:
        DataError: There is a manifest and it cannot be read.
    """
    path = Path(folder) / MANIFEST
    return read_record(path, Manifest) if path.is_file() else None


def load_saved(spec: ModelSpec, manifest: Manifest, plugins: Plugins) -> Model:
    """Load a folder with a manifest; it is what was saved, or an error.

    Raises:
        CheckpointError: A tensor of the folder is not the one that was saved, or the masks are of
            another dense model.
    """
    folder, record = Path(spec.name), manifest.record
    _check_tensors(folder, manifest)
    if manifest.format == "masks":
        return _load_masked(spec, manifest, plugins)
    model = load_model(spec, plugins)
    same_dtype = record.asked.held.dtype == spec.dtype
    if same_dtype and record.got.weights != model.identity["weights"]:
        raise CheckpointError(
            f"{folder}: the weights are not those that {MANIFEST} was written for"
        )
    return model


def _load_masked(spec: ModelSpec, manifest: Manifest, plugins: Plugins) -> Model:
    """Apply a folder of masks to the dense model that it was made of."""
    record, dense = manifest.record, spec.dense or manifest.dense
    asked, dtype = record.asked, record.asked.held.dtype
    if spec.dtype != dtype:
        raise InputError(
            f"{spec.name}: the masks are of {dtype} weights, not of {spec.dtype}; "
            f"say --dtype {dtype}"
        )
    try:
        model = load_model(spec.model_copy(update={"name": dense}), plugins)
    except InputError as error:
        raise InputError(
            f"{spec.name} holds masks of {dense}, which cannot be loaded here ({error}); "
            f"say where it is by --dense"
        ) from None
    for part, digest in asked.model.items():
        found = model.identity.get(part, "none")
        if found != digest:
            raise CheckpointError(
                f"{spec.name}: the masks are of a model with {part} {digest[:12]}, "
                f"{dense} has {found[:12]}"
            )
    with open_patch(Path(spec.name) / MASKS, model) as patch:
        if not patch.makes(record.got):
            raise CheckpointError(f"{spec.name}: the masks do not make the model of {MANIFEST}")
        patch.apply()
    return replace(model, spec=spec, identity={**asked.model, "weights": record.got.weights})


def masks_of(folder: Path, model: Model) -> Masks:
    """The masks in a folder, for the model that was loaded from it."""
    with open_patch(folder / MASKS, model) as patch:
        return patch.masks


def _check_tensors(folder: Path, manifest: Manifest) -> None:
    for name, wanted in manifest.tensors.items():
        found = _digests(folder / name)
        for tensor in wanted.keys() | found.keys():
            if wanted.get(tensor) != found.get(tensor):
                what = (
                    "is missing" if tensor not in found
                    else "was not saved with it" if tensor not in wanted
                    else "has other bytes than were saved"
                )  # fmt: skip
                raise CheckpointError(f"{folder / name}: tensor {tensor} {what}")


def _digests(path: Path) -> dict[str, str]:
    """Tensor -> SHA-256 of its bytes, read piece by piece.

    A safetensors file is the length of its header, the header as JSON, and the tensors' bytes.

    Raises:
        CheckpointError: The file cannot be read; a tensor that is cut off is named.
    """
    try:
        with path.open("rb") as file:
            start, places = _places(file, path.stat().st_size)
            return {
                name: _hash_part(file, start + first, start + last, name)
                for name, (first, last) in places.items()
            }
    except (OSError, ValueError, TypeError, KeyError, struct.error, EOFError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None


def _places(file: BinaryIO, size: int) -> tuple[int, dict[str, tuple[int, int]]]:
    """Where the tensors' bytes start, and where each one's lie from there."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > size:
        raise EOFError("it ends within its header")
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return 8 + length, {name: tuple(entry["data_offsets"]) for name, entry in header.items()}


def _hash_part(file: BinaryIO, start: int, stop: int, name: str) -> str:
    hasher = hashlib.sha256()
    file.seek(start)
    for place in range(start, stop, PIECE):
        piece = file.read(min(PIECE, stop - place))
        if len(piece) < min(PIECE, stop - place):
            raise EOFError(f"it ends within tensor {name}")
        hasher.update(piece)
    return hasher.hexdigest()
