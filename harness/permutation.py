"""n:m over inputs in another order: which input of a layer lies in which place of its groups."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from harness.errors import PartError

Permutations = Mapping[str, Tensor]
"""Layer -> int (in,), place -> input; a layer that is not there has its inputs as they lie."""

AS_THEY_LIE: Permutations = MappingProxyType({})


def in_places(keep: Tensor, permutation: Tensor | None) -> Tensor:
    """A mask (out, in) by places instead of inputs: n:m is over neighbouring places.

    >>> in_places(torch.tensor([[True, True, False, False]]), torch.tensor([0, 2, 1, 3])).tolist()
    [[True, False, True, False]]
    """
    return keep if permutation is None else keep[:, permutation.to(keep.device).long()]


def check_permutation(found: Any, inputs: int) -> None:
    """Whether every input has one place.

    Raises:
        PartError: It has none, or several.
    """
    if not isinstance(found, Tensor) or found.dtype not in (torch.int32, torch.int64):
        kind = found.dtype if isinstance(found, Tensor) else type(found).__name__
        raise PartError(f"permutation is of {kind}; an int64 tensor ({inputs},) is right")
    if found.dim() != 1 or found.sort().values.tolist() != list(range(inputs)):
        raise PartError(
            f"permutation {tuple(found.shape)} places {len(torch.unique(found))} inputs; "
            f"each of {inputs} in one place is right"
        )
