"""A pruned model as a change to its dense one: masks as bits, and the tensors that are new.

mask:<layer>         uint8, eight weights to a byte, of every prunable layer
permutation:<layer>  int32 (in,), place -> input, of layers whose n:m holds over places
weight:<layer>       (out, in), of layers whose remaining weights changed
parameter:<name>     of every parameter, where the model was trained
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, uint8

from harness.atomic import written_whole
from harness.errors import CheckpointError, PartError
from harness.masks import Masks, PackedMasks, masks_digest, pack, unpack
from harness.model import Model, out_in, weights_digest
from harness.permutation import Permutations, check_permutation
from harness.pruning import Pruned
from harness.record import PruneGot


def write_patch(path: Path, model: Model, pruned: Pruned) -> None:
    """Write what pruning changed in the live model."""
    tensors = packed(pruned.masks, pruned.permutations)
    if pruned.trained_on:
        for name, parameter in model.loaded.module.named_parameters():
            tensors[f"parameter:{name}"] = parameter.detach().cpu().contiguous()
    for layer in model.layers:
        if layer.name in pruned.updated:
            tensors[f"weight:{layer.name}"] = model.weight(layer).cpu().contiguous()
    with written_whole(path) as temporary:
        save_file(tensors, temporary)


def packed(masks: Masks, permutations: Permutations) -> dict[str, Tensor]:
    """Masks as they stand in a file."""
    tensors = {f"mask:{name}": pack(keep) for name, keep in masks.items()}
    return tensors | {f"permutation:{name}": order for name, order in permutations.items()}


class Patch:
    """An open file of changes to a live dense model."""

    def __init__(self, file: Any, model: Model) -> None:
        self._file = file
        self._names = set(file.keys())
        self._model = model
        self._layers = {f"{layer.name}.weight": layer for layer in model.layers}

    @cached_property
    def masks(self) -> PackedMasks:
        """Masks of all layers.

        Raises:
            CheckpointError: One is missing, or is not of its layer's size.
        """
        masks = PackedMasks()
        for layer in self._model.layers:
            key = f"mask:{layer.name}"
            bits = self._file.get_tensor(key) if key in self._names else None
            if bits is None or (bits.dtype, bits.numel()) != (uint8, -(-layer.numel // 8)):
                found = "no mask" if bits is None else f"{bits.numel()} times {bits.dtype}"
                raise CheckpointError(f"{layer.name}: {found} for {layer.numel} weights")
            masks[layer.name] = unpack(bits, layer.shape)
        return masks

    @cached_property
    def permutations(self) -> Permutations:
        """Of the layers that have one.

        Raises:
            CheckpointError: One does not give every input a place.
        """
        found: dict[str, Tensor] = {}
        for layer in self._model.layers:
            if (key := f"permutation:{layer.name}") in self._names:
                found[layer.name] = self._file.get_tensor(key)
                try:
                    check_permutation(found[layer.name], layer.shape[1])
                except PartError as error:
                    raise CheckpointError(f"{layer.name}: {error}") from None
        return found

    @property
    def is_masks_only(self) -> bool:
        """Whether all weights that stay are the dense ones."""
        return all(name.startswith(("mask:", "permutation:")) for name in self._names)

    def tensor(self, name: str, dense: Tensor) -> Tensor:
        """What the patched model has in place of a dense parameter."""
        if f"parameter:{name}" in self._names:
            trained: Tensor = self._file.get_tensor(f"parameter:{name}")
            return trained
        layer = self._layers.get(name)
        if layer is None:
            return dense
        module, patched = self._model.module(layer), dense.clone()
        matrix = out_in(module, patched)
        if f"weight:{layer.name}" in self._names:
            matrix.copy_(self._file.get_tensor(f"weight:{layer.name}"))
        matrix.masked_fill_(~self.masks[layer.name].to(matrix.device), 0)
        return patched

    def makes(self, got: PruneGot) -> bool:
        """Whether the patched model is the one of that record; nothing is changed."""
        if masks_digest(self.masks, self.permutations) != got.masks:
            return False
        return weights_digest(self._model.loaded.module, self.tensor) == got.weights

    def apply(self) -> None:
        """Change the live model."""
        for name, parameter in self._model.loaded.module.named_parameters():
            live = parameter.detach()
            patched = self.tensor(name, live)
            if patched is not live:
                live.copy_(patched)


def apply_patch(path: Path, model: Model, got: PruneGot) -> bool:
    """Make the live dense model the pruned one of a record; False if the file does not hold it.

    A damaged file changes nothing.
    """
    if not path.is_file():
        return False
    try:
        with open_patch(path, model) as patch:
            if not patch.makes(got):
                return False
            patch.apply()
    except CheckpointError:
        return False
    return True


@contextmanager
def open_patch(path: Path, model: Model) -> Iterator[Patch]:
    """Open a file of changes.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        file = safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None
    with file:
        yield Patch(file, model)
