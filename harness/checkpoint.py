"""Pruned weights on disk: as a cache for the next run, and as a folder for the world.

The cache holds masks as packed bits, and the layers whose remaining weights changed in full. The
folder is what the model's family saves, with ``harness.json`` beside it: which record it belongs
to, and the digest that its weights must have when they are read again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from harness.errors import CheckpointError
from harness.masks import masks_digest, pack, unpack
from harness.model import Model, weights_digest
from harness.pruning import Pruned
from harness.record import PruneRecord
from harness.store import write_atomically

MANIFEST = "harness.json"


def cache_pruned(path: Path, model: Model, pruned: Pruned) -> None:
    """Keep masks and updated weights so that another task need not prune again."""
    tensors = {f"mask:{name}": pack(keep) for name, keep in pruned.masks.items()}
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
    """Write the pruned model as a folder that loads like any other.

    Raises:
        CheckpointError: The folder is there already and not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CheckpointError(f"{folder}: is not empty; nothing is overwritten")
    model.loaded.save(folder)
    manifest = {
        "record": record.key,
        "pruner": record.pruner,
        "sparsity": record.got.sparsity.model.sparsity,
        "dense_model": dict(record.asked.model),
        "weights": record.got.weights,
        "dtype": record.asked.held.dtype,
    }
    content = json.dumps(manifest, indent=1) + "\n"
    write_atomically(folder / MANIFEST, content.encode())


def read_manifest(folder: str) -> dict[str, Any] | None:
    """The manifest of a saved folder, or None where there is none.

    Raises:
        CheckpointError: It is there and cannot be read.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(manifest, dict)
    except (OSError, ValueError, AssertionError):
        raise CheckpointError(f"{path}: not a readable manifest") from None
    return manifest


def check_manifest(model: Model) -> None:
    """Compare a loaded model with the manifest of its folder, if it has one.

    Raises:
        CheckpointError: The weights are not the ones that were saved.
    """
    manifest = read_manifest(model.spec.name)
    if manifest is None or manifest.get("dtype") != model.spec.dtype:
        return
    if manifest.get("weights") != model.identity["weights"]:
        raise CheckpointError(
            f"{model.spec.name}: the weights are not those that {MANIFEST} was written for"
        )


def count_zeros(model: Model) -> float:
    """Share of zeros among the prunable weights."""
    zeros = sum(int(torch.count_nonzero(model.weight(i) == 0)) for i in model.layers)
    return zeros / sum(layer.numel for layer in model.layers)
