"""What searchers give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.contract.seen import kind_of
from harness.errors import PartError
from harness.plugin import UnitGroup


def check_units(units: Any, groups: Sequence[UnitGroup]) -> None:
    """Compare what a searcher found with the model's groups.

    Raises:
        PartError: A group is missing or unknown, is not bool (units,), or keeps no unit.
    """
    if not isinstance(units, Mapping):
        raise PartError(f"gave {kind_of(units)}; unit group -> bool (units,) is right")
    if odd := sorted(map(str, units.keys() ^ {group.name for group in groups})):
        raise PartError(f"left out or made up {len(odd)} unit groups, first {odd[0]}")
    for group in groups:
        found = units[group.name]
        right = f"a torch.bool tensor ({group.units},)"
        if not isinstance(found, Tensor) or found.dtype != torch.bool:
            raise PartError(f"units of {group.name} are {kind_of(found)}; {right} is right")
        if tuple(found.shape) != (group.units,):
            raise PartError(f"units of {group.name} are {kind_of(found)}; {right} is right")
        if not bool(found.any()):
            raise PartError(f"of {group.name} no unit stays, one has to")
