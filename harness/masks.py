"""Keep masks: packed, digested, and counted against budget and target."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.contract import check_pattern
from harness.errors import PartError, VerificationError
from harness.heap import trim
from harness.model import Model, group_layers
from harness.plugin import Granularity, LayerInfo, Pattern
from harness.sparsity import GroupSparsity, SparsityReport

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
    model: Model,
    masks: Masks,
    budget: Mapping[str, int],
    pattern: Pattern | None,
    *,
    exact: bool,
) -> SparsityReport:
    """Count what is really zero in the live weights.

    Args:
        exact: Whether the masks have to meet the budget to the weight.

    Raises:
        VerificationError: A masked weight is not zero, a count is not the budget's, or a group of
            the pattern keeps too many; the layer is named.
    """
    counts: dict[str, Counts] = {}
    for layer in model.layers:
        keep, weight = masks[layer.name].to(model.device), model.weight(layer)
        left = int(((weight != 0) & ~keep).sum())
        if left:
            raise VerificationError(f"{layer.name}: {left} weights are masked but not zero")
        counts[layer.name] = Counts(keep=int(keep.sum()), zeros=int((weight == 0).sum()))
        if exact and counts[layer.name].keep != budget.get(layer.name):
            raise VerificationError(
                f"{layer.name}: {counts[layer.name].keep} weights are kept, "
                f"the budget says {budget.get(layer.name)}"
            )
        if pattern is not None:
            _verify_pattern(layer, keep, pattern)  # what is not kept is zero, as was just seen
        trim()
    return sparsity_report(model.layers, counts)


def _verify_pattern(layer: LayerInfo, keep: Tensor, pattern: Pattern) -> None:
    try:
        check_pattern(keep, pattern)
    except PartError as error:
        raise VerificationError(f"{layer.name}: {error}") from None


class Counts(NamedTuple):
    """Of a layer: weights that its mask keeps, and weights that are zero."""

    keep: int
    zeros: int


def sparsity_report(layers: Sequence[LayerInfo], counts: Mapping[str, Counts]) -> SparsityReport:
    """Sum up counts; the denominator is always the prunable weights of the group."""

    def counted(name: str, members: Sequence[LayerInfo]) -> GroupSparsity:
        return GroupSparsity(
            name=name,
            numel=sum(layer.numel for layer in members),
            keep=sum(counts[layer.name].keep for layer in members),
            zeros=sum(counts[layer.name].zeros for layer in members),
        )

    def per(granularity: Granularity) -> tuple[GroupSparsity, ...]:
        return tuple(counted(g.name, g.layers) for g in group_layers(layers, granularity))

    whole = counted("prunable", layers)
    return SparsityReport(
        model=whole,
        towers=per("tower"),
        blocks=per("block"),
        layers=per("layer"),
        zeros_of_dense=whole.keep - whole.nonzero,
    )


def live_sparsity(model: Model) -> float:
    """Share of the prunable weights of the live model that are zero."""
    zeros = sum(int((model.weight(layer) == 0).sum()) for layer in model.layers)
    return zeros / sum(layer.numel for layer in model.layers)
