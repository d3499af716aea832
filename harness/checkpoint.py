"""Pruned models as folders.

A folder in full is what the model's family saves, with the masks beside it; a folder of masks has
nothing else, and is applied to the dense model it was made of. Both have ``harness.json``: what was
pruned how (asked, budget, digests, spec), and the digest of every tensor in the folder. A model
without its removed units has ``structure.json`` as well, which says where its smaller tensors lie
in the full ones.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file

from harness.atomic import new_folder
from harness.budget import make_target
from harness.errors import CheckpointError, InputError, VerificationError
from harness.folder_manifest import MANIFEST, Manifest, refuse_damaged, write_manifest
from harness.masks import Masks, masks_digest, verify
from harness.model import Model, load_model
from harness.patch import open_patch, packed
from harness.permutation import AS_THEY_LIE, Permutations
from harness.plugin import Pattern
from harness.plugin.manager import Plugins
from harness.plugin.shapes import write_shapes
from harness.record import PruneRecord
from harness.spec import ModelSpec
from harness.structure import shrunken, structure_of

MASKS = "masks.safetensors"


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
        write_manifest(made, "hf", record, masks_suffice=masks_suffice)


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
        write_manifest(made, "masks", record, masks_suffice=True)


def masks_do_not_suffice(pruner: str) -> CheckpointError:
    """Why a pruned model is not saved as masks alone."""
    return CheckpointError(
        f"{pruner} changes weights that stay, so masks alone do not make its model; "
        f"save it in full, --format hf"
    )


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
