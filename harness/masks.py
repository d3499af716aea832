"""Keep masks: packed, digested, and counted against budget and target."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence

import numpy as np
import torch
from torch import Tensor

from harness.errors import VerificationError
from harness.heap import trim
from harness.model import Model, group_layers
from harness.plugin import Granularity, LayerInfo
from harness.record import GroupSparsity, SparsityReport

Masks = Mapping[str, Tensor]


def pack(keep: Tensor) -> Tensor:
    """Turn a mask (out, in) into uint8, eight weights to a byte in row-major order."""
    return torch.from_numpy(np.packbits(keep.cpu().numpy().reshape(-1)))


def unpack(packed: Tensor, shape: tuple[int, int]) -> Tensor:
    """The mask that `pack` packed."""
    bits = np.unpackbits(packed.numpy(), count=shape[0] * shape[1])
    return torch.from_numpy(bits.view(np.bool_)).reshape(shape)


class PackedMasks(MutableMapping[str, Tensor]):
    """Masks by layer name, held as one bit a weight and unpacked when they are asked for."""

    def __init__(self) -> None:
        self._packed: dict[str, tuple[Tensor, tuple[int, int]]] = {}

    def __setitem__(self, name: str, keep: Tensor) -> None:
        rows, columns = keep.shape
        self._packed[name] = pack(keep), (rows, columns)

    def __getitem__(self, name: str) -> Tensor:
        return unpack(*self._packed[name])

    def __delitem__(self, name: str) -> None:
        del self._packed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


def masks_digest(masks: Masks) -> str:
    """Hash of all masks by layer name."""
    hasher = hashlib.sha256()
    for name in sorted(masks):
        hasher.update(name.encode())
        hasher.update(pack(masks[name]).numpy().tobytes())
    return hasher.hexdigest()


def verify(
    model: Model, masks: Masks, budget: Mapping[str, int], zeros_of_dense: int, *, exact: bool
) -> SparsityReport:
    """Count what is really zero in the live weights.

    Args:
        zeros_of_dense: Weights that were zero before pruning and are not masked.
        exact: Whether the masks have to meet the budget to the weight.

    Raises:
        VerificationError: A masked weight is not zero, or a count is not the budget's.
    """
    counts: dict[str, int] = {}
    for layer in model.layers:
        keep, weight = masks[layer.name].to(model.device), model.weight(layer)
        left = int(((weight != 0) & ~keep).sum())
        if left:
            raise VerificationError(f"{layer.name}: {left} weights are masked but not zero")
        counts[layer.name] = int(keep.sum())
        if exact and counts[layer.name] != budget.get(layer.name):
            raise VerificationError(
                f"{layer.name}: {counts[layer.name]} weights are kept, "
                f"the budget says {budget.get(layer.name)}"
            )
        trim()
    return sparsity_report(model.layers, counts, zeros_of_dense)


def sparsity_report(
    layers: Sequence[LayerInfo], keep: Mapping[str, int], zeros_of_dense: int
) -> SparsityReport:
    """Sum up keep counts; the denominator is always the prunable weights of the group."""

    def counted(name: str, members: Sequence[LayerInfo]) -> GroupSparsity:
        return GroupSparsity(
            name=name,
            numel=sum(layer.numel for layer in members),
            keep=sum(keep[layer.name] for layer in members),
        )

    def per(granularity: Granularity) -> tuple[GroupSparsity, ...]:
        return tuple(counted(g.name, g.layers) for g in group_layers(layers, granularity))

    return SparsityReport(
        model=counted("prunable", layers),
        towers=per("tower"),
        blocks=per("block"),
        layers=per("layer"),
        zeros_of_dense=zeros_of_dense,
    )
