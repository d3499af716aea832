"""Pruned weights on disk: as a cache for the next run, and as a folder for the world.

The cache holds masks as packed bits, and the layers whose remaining weights changed in full, or
all parameters where the model was trained. The folder is what the model's family saves, with its
record as ``harness.json``: what was pruned how, and the digest that the weights must have when they
are read again. A model without its removed units has ``structure.json`` as well, which says where
its smaller tensors lie in the full ones.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from harness.errors import CheckpointError
from harness.masks import masks_digest, pack, unpack
from harness.model import Model, weights_digest
from harness.plugin.shapes import write_shapes
from harness.pruning import Pruned
from harness.record import PruneRecord
from harness.store import encode, read_record, write_atomically
from harness.structure import shrunken, structure_of

MANIFEST = "harness.json"


def cache_pruned(path: Path, model: Model, pruned: Pruned) -> None:
    """Keep masks and updated weights so that another task need not prune again."""
    tensors = {f"mask:{name}": pack(keep) for name, keep in pruned.masks.items()}
    if pruned.trained_on:
        for name, parameter in model.loaded.module.named_parameters():
            tensors[f"parameter:{name}"] = parameter.detach().cpu().contiguous()
    for layer in model.layers:
        if layer.name in pruned.updated:
            tensors[f"weight:{layer.name}"] = model.weight(layer).cpu().contiguous()
    write_atomically(path, save(tensors))


def apply_cached(path: Path, model: Model, record: PruneRecord) -> bool:
    """Prune the live dense model as the record says; False if the cache does not hold it.

    What it makes is checked against the record's digest, so a damaged cache is only a lost one.
    """
    if not path.is_file():
        return False
    masks = {}
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            for name, parameter in model.loaded.module.named_parameters():
                if f"parameter:{name}" in names:
                    parameter.detach().copy_(file.get_tensor(f"parameter:{name}"))
            for layer in model.layers:
                keep = unpack(file.get_tensor(f"mask:{layer.name}"), layer.shape)
                masks[layer.name] = keep
                live = model.weight(layer)
                if f"weight:{layer.name}" in names:
                    live.copy_(file.get_tensor(f"weight:{layer.name}"))
                live.masked_fill_(~keep.to(live.device), 0)
    except (OSError, SafetensorError, ValueError):
        return False
    same_masks = masks_digest(masks) == record.got.masks
    return same_masks and weights_digest(model.loaded.module) == record.got.weights


def save_pruned(folder: Path, model: Model, record: PruneRecord) -> None:
    """Write the pruned model as a folder that loads like any other, with its record beside it.

    Raises:
        CheckpointError: The folder is there already and not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CheckpointError(f"{folder}: is not empty; nothing is overwritten")
    if record.got.is_shrunk:
        structure = structure_of(model)
        cuts = structure.cuts(structure.kept())
        with shrunken(model):
            model.loaded.save(folder)
        write_shapes(folder, cuts)
    else:
        model.loaded.save(folder)
    write_atomically(folder / MANIFEST, encode(record))


def read_saved(folder: str) -> PruneRecord | None:
    """The record of the pruned model that a folder holds, or None where it holds another.

    Raises:
        DataError: There is a manifest and it cannot be read.
    """
    path = Path(folder) / MANIFEST
    return read_record(path, PruneRecord) if path.is_file() else None


def check_saved(model: Model, record: PruneRecord) -> None:
    """Compare a loaded model with the record of its folder.

    Raises:
        CheckpointError: The weights are not the ones that were saved.
    """
    same_dtype = record.asked.held.dtype == model.spec.dtype
    if same_dtype and record.got.weights != model.identity["weights"]:
        raise CheckpointError(
            f"{model.spec.name}: the weights are not those that {MANIFEST} was written for"
        )
