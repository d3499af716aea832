"""Folders of shrunken models: smaller tensors, and where they lie in the full ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "structure.json"
Cut = tuple[tuple[int, ...], list[int] | None, list[int] | None]
Cuts = dict[str, Cut]
"""Tensor name -> (full shape, rows that stay, columns that stay); None = all of them."""


def write_shapes(folder: Path, cuts: Cuts) -> None:
    """Write the manifest of a folder's smaller tensors."""
    content = {
        name: {"shape": shape, "rows": rows, "columns": columns}
        for name, (shape, rows, columns) in cuts.items()
    }
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")


def read_widened(folder: Path) -> dict[str, Tensor] | None:
    """All tensors of a folder in their full shapes, removed units as zeros.

    Returns:
        None for a folder without a manifest: its tensors have their full shapes already.

    Raises:
        CheckpointError: A tensor is missing or does not have the size that the manifest says.
    """
    if not (folder / MANIFEST).is_file():
        return None
    from safetensors.torch import load_file

    try:
        cuts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found = {name: _read_cut(cut) for name, cut in cuts.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: not readable ({error!r})") from None
    tensors: dict[str, Tensor] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors |= load_file(path)
    for name, cut in found.items():
        if name not in tensors:
            raise CheckpointError(f"{folder}: {MANIFEST} names {name}, which no file holds")
        tensors[name] = _widen(tensors[name], cut, f"{folder}: {name}")
    return tensors


def _read_cut(cut: Mapping[str, list[int] | None]) -> Cut:
    """One tensor's entry.

    Raises:
        ValueError: Its shape is none, or its rows or columns do not lie in it.
    """
    shape, places = cut["shape"], (cut["rows"], cut["columns"])
    if shape is None or not (1 <= len(shape) <= 2 and all(_is_size(side) for side in shape)):
        raise ValueError(f"{shape!r} is no shape")
    for side, stay in zip(shape, places, strict=False):
        if stay is not None and not all(type(i) is int and 0 <= i < side for i in stay):
            raise ValueError(f"rows and columns that stay lie in {shape}")
    if all(stay is None for stay in places) or (len(shape) == 1 and places[1] is not None):
        raise ValueError("rows or columns that stay are needed")
    return tuple(shape), *places


def _is_size(side: object) -> bool:
    return type(side) is int and 0 < side <= 1 << 24


def _widen(tensor: Tensor, cut: Cut, where: str) -> Tensor:
    import torch

    shape, rows, columns = cut
    kept = [*shape]
    if rows is not None:
        kept[0] = len(rows)
    if columns is not None:
        kept[1] = len(columns)
    if list(tensor.shape) != kept:
        raise CheckpointError(f"{where} is {list(tensor.shape)}, {MANIFEST} says {kept}")
    full = torch.zeros(shape, dtype=tensor.dtype)
    if rows is not None:
        full[torch.tensor(rows)] = tensor
    else:
        full[:, torch.tensor(columns)] = tensor
    return full
