"""A saved pruned model in another form, or as a checkpoint of another library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harness.atomic import refuse_filled, refuse_unwritable
from harness.checkpoint import load_saved, masks_of, refuse_needless_dense, save_masks, save_pruned
from harness.errors import CheckpointError
from harness.folder_manifest import Manifest, read_manifest, refuse_damaged
from harness.plugin import Backend
from harness.plugin.manager import Plugins
from harness.semi_structured import (
    Speed,
    measure,
    on_gpu,
    refuse_cpu,
    refuse_other_patterns,
    write_packed,
)
from harness.spec import ModelSpec, checked

Form = Literal["hf", "masks", "2:4"]
#: Tokens of the multiplications that are timed.
TOKENS = 4096


def export(
    source: str, target: Path, form: Form, plugins: Plugins, *, device: str, dense: str | None
) -> Sequence[Speed]:
    """Write a folder that ``harness prune --save`` made in another form.

    Args:
        form: ``hf`` = a folder in full; ``masks`` = masks alone; ``2:4`` = in full, with the
            weights packed for sparse tensor cores beside it.
        dense: See `ModelSpec.dense`.

    Returns:
        Of ``2:4``, how fast its layers are.

    Raises:
        CheckpointError: The source is not such a folder or is damaged, the target is not empty,
            or the model cannot take that form.
    """
    refuse_filled(target)
    manifest = read_manifest(source)
    if manifest is None:
        raise CheckpointError(f"{source}: has no harness.json; `harness prune --save` writes one")
    if form == "2:4":
        _refuse_permuted(source, manifest)
        refuse_cpu(device)
    dtype = manifest.record.asked.held.dtype
    spec = checked(ModelSpec, {"name": source, "device": device, "dtype": dtype, "dense": dense})
    refuse_needless_dense(spec, manifest)
    model = load_saved(spec, manifest, plugins)
    (masks, permutations), suffice = masks_of(Path(source), model), manifest.masks_suffice
    if form == "masks":
        save_masks(target, manifest.record, masks, masks_suffice=suffice, permutations=permutations)
        return ()
    if form == "2:4":
        refuse_other_patterns(model)
    save_pruned(
        target, model, manifest.record, masks, masks_suffice=suffice, permutations=permutations
    )
    if form == "hf":
        return ()
    write_packed(target, model)
    return measure(model, TOKENS, on_gpu)


def _refuse_permuted(source: str, manifest: Manifest) -> None:
    """Weights are packed as they lie, and multiplied by inputs as they come."""
    if manifest.record.got.is_permuted:
        raise CheckpointError(
            f"{source}: its {manifest.record.asked.pattern} holds over permuted inputs, and "
            f"--to 2:4 packs weights as they lie; prune without a permutation"
        )


def export_checkpoint(
    backend: Backend, folder: Path, target: Path, *, base: Path | None
) -> Sequence[str]:
    """Write a model folder, pruned or not, as a backend's checkpoint.

    Args:
        base: See `Backend.export_checkpoint`.

    Returns:
        Notes, one a line.

    Raises:
        CheckpointError: The folder is damaged or holds masks alone, the backend has no such model,
            or the target cannot be written.
    """
    refuse_unwritable(target)
    manifest = read_manifest(str(folder))
    if manifest is not None:
        refuse_damaged(folder, manifest)
        if manifest.format == "masks":
            raise CheckpointError(
                f"{folder}: holds masks alone; make the model in full first, "
                f"`harness export {folder} --to hf --save FOLDER`"
            )
    return backend.export_checkpoint(folder, target, base=base)
