"""Pruned models as folders.

A folder in full is what the model's family saves, with the masks beside it; a folder of masks has
nothing else, and is applied to the dense model it was made of. Both have ``harness.json``: what was
pruned how (asked, budget, digests, spec), and the digest of every tensor in the folder. A model
without its removed units has ``structure.json`` as well, which says where its smaller tensors lie
in the full ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import field_validator
from safetensors.torch import save_file

from harness.asked import hash_of
from harness.atomic import new_folder, write_atomically
from harness.budget import make_target
from harness.digests import file_digest, tensor_digests
from harness.entry import Entry
from harness.errors import CheckpointError, InputError, VerificationError
from harness.masks import Masks, masks_digest, verify
from harness.model import Model, load_model
from harness.patch import open_patch, packed
from harness.permutation import AS_THEY_LIE, Permutations
from harness.plugin import Pattern
from harness.plugin.manager import Plugins
from harness.plugin.shapes import write_shapes
from harness.record import PruneRecord
from harness.semi_structured import WEIGHTS as PACKED
from harness.spec import ModelSpec
from harness.store import encode, read_record
from harness.structure import shrunken, structure_of

MANIFEST, MASKS = "harness.json", "masks.safetensors"
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


def save_pruned(
    folder: Path,
    model: Model,
    record: PruneRecord,
    masks: Masks,
    *,
    masks_suffice: bool,
    permutations: Permutations = AS_THEY_LIE,
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
        save_file(packed(masks, permutations), made / MASKS)
        _write_manifest(made, "hf", record, masks_suffice=masks_suffice)


def save_masks(
    folder: Path,
    record: PruneRecord,
    masks: Masks,
    *,
    masks_suffice: bool,
    permutations: Permutations = AS_THEY_LIE,
) -> None:
    """Write the masks alone.

    Raises:
        CheckpointError: The folder is not empty, or the weights that stay are not the dense ones.
    """
    if not masks_suffice:
        raise masks_do_not_suffice(record.pruner)
    with new_folder(folder) as made:
        save_file(packed(masks, permutations), made / MASKS)
        _write_manifest(made, "masks", record, masks_suffice=True)


def masks_do_not_suffice(pruner: str) -> CheckpointError:
    """Why a pruned model is not saved as masks alone."""
    return CheckpointError(
        f"{pruner} changes weights that stay, so masks alone do not make its model; "
        f"save it in full, --format hf"
    )


def _write_manifest(
    folder: Path, form: Format, record: PruneRecord, *, masks_suffice: bool
) -> None:
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
    """
    path = Path(folder) / MANIFEST
    return read_record(path, Manifest) if path.is_file() else None


def refuse_needless_dense(spec: ModelSpec, manifest: Manifest | None) -> None:
    """A dense model is named for a folder of masks alone.

    Raises:
        InputError: It is named for another.
    """
    if spec.dense is not None and (manifest is None or manifest.format != "masks"):
        raise InputError(
            f"--dense {spec.dense}: {spec.name} has its own weights; "
            f"only a folder of masks alone is applied to a dense model"
        )


def load_saved(spec: ModelSpec, manifest: Manifest, plugins: Plugins) -> Model:
    """Load a folder with a manifest; it is what was saved, or an error.

    Raises:
        CheckpointError: The record or a tensor of the folder is not the one that was saved, the
            record contradicts the masks, or these are of another dense model.
    """
    folder = Path(spec.name)
    refuse_damaged(folder, manifest)
    load = _load_masked if manifest.format == "masks" else _load_full
    model = load(spec, manifest, plugins)
    _check_counts(folder, manifest, model)
    return model


def _load_full(spec: ModelSpec, manifest: Manifest, plugins: Plugins) -> Model:
    record, model = manifest.record, load_model(spec, plugins)
    same_dtype = record.asked.held.dtype == spec.dtype
    if same_dtype and record.got.weights != model.identity["weights"]:
        raise CheckpointError(
            f"{spec.name}: the weights are not those that {MANIFEST} was written for"
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


def masks_of(folder: Path, model: Model) -> tuple[Masks, Permutations]:
    """The masks in a folder and their orders of inputs, for the model that was loaded from it."""
    with open_patch(folder / MASKS, model) as patch:
        return patch.masks, patch.permutations


def refuse_damaged(folder: Path, manifest: Manifest) -> None:
    """Compare a folder with the digests in its manifest.

    Raises:
        CheckpointError: A part of the record, a tensor or a file is not the one that was saved.
    """
    _check_record(folder, manifest)
    _check_files(folder, manifest)
    _check_tensors(folder, manifest)


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


def _check_counts(folder: Path, manifest: Manifest, model: Model) -> None:
    """Count anew what the record says of masks, sparsity, budget and target."""
    asked, got = manifest.record.asked, manifest.record.got
    (masks, permutations), where = masks_of(folder, model), folder / MANIFEST
    if masks_digest(masks, permutations) != got.masks:
        raise CheckpointError(f"{folder}: the masks are not those that {MANIFEST} was written for")
    pattern = Pattern.parse(asked.pattern) if asked.pattern else None
    target = make_target(model.layers, asked.sparsity, None, pattern).keep
    if got.target_keep != target:
        raise CheckpointError(
            f"{where}: target_keep is {got.target_keep}, "
            f"at sparsity {asked.sparsity:g} it is {target}"
        )
    try:
        report = verify(
            model, masks, got.budget, pattern, permutations, exact=manifest.meets_budget
        )
    except VerificationError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    if report.by_masks != got.sparsity.by_masks:
        raise CheckpointError(
            f"{where}: got.sparsity is not what the masks keep, {report.model.keep} of "
            f"{report.model.numel} weights in all"
        )
    is_counted = got.sparsity.model.zeros is not None
    if is_counted and model.spec.dtype == asked.held.dtype and report != got.sparsity:
        raise CheckpointError(
            f"{where}: got.sparsity is not what was counted, {report.model.zeros} of "
            f"{report.model.numel} weights are zero in all"
        )


def _check_tensors(folder: Path, manifest: Manifest) -> None:
    for name, wanted in manifest.tensors.items():
        found = tensor_digests(folder / name)
        for tensor in wanted.keys() | found.keys():
            if wanted.get(tensor) != found.get(tensor):
                what = (
                    "is missing" if tensor not in found
                    else "was not saved with it" if tensor not in wanted
                    else "has other bytes than were saved"
                )  # fmt: skip
                raise CheckpointError(f"{folder / name}: tensor {tensor} {what}")
