"""Structured pruning: units of a model, what they weigh, and the model without some of them.

While a structure is searched for and trained, removed units are zeros in the dense shape: rows of
the layers that make them, with their biases, and columns of the layer that reads them. A family
that can shrink then swaps in smaller modules for evaluation and for the saved folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import InputError
from harness.masks import Masks
from harness.model import Model
from harness.plugin import Shrinks, Structured, UnitGroup
from harness.plugin.shapes import Cuts

Units = Mapping[str, Tensor]
"""Unit group -> bool (units,), True = the unit stays."""


@dataclass(frozen=True)
class Structure:
    """A model's unit groups, and what taking out units means for its layers."""

    model: Model
    groups: Sequence[UnitGroup]

    def weights_per_unit(self, group: UnitGroup) -> int:
        """Prunable weights that go with one unit."""
        shapes = {layer.name: layer.shape for layer in self.model.layers}
        rows = sum(index.shape[1] * shapes[name][1] for name, index in group.rows.items())
        columns = sum(index.shape[1] * shapes[name][0] for name, index in group.columns.items())
        return rows + columns

    def masks(self, units: Units) -> dict[str, Tensor]:
        """Layer -> keep (out, in), in the dense shape; layers without units stay whole."""
        keep = {i.name: torch.ones(i.shape, dtype=torch.bool) for i in self.model.layers}
        for group in self.groups:
            gone = ~units[group.name]
            for name, index in group.rows.items():
                keep[name][index[gone].reshape(-1)] = False
            for name, index in group.columns.items():
                keep[name][:, index[gone].reshape(-1)] = False
        return keep

    def clear(self, units: Units, masks: Masks) -> None:
        """Zero what the removed units own in the live model, biases of their rows too."""
        for layer in self.model.layers:
            weight = self.model.weight(layer)
            weight.masked_fill_(~masks[layer.name].to(weight.device), 0)
        for group in self.groups:
            for name, index in group.rows.items():
                bias = self._module(name).bias
                if isinstance(bias, Tensor):
                    bias.data[index[~units[group.name]].reshape(-1).to(bias.device)] = 0

    def kept(self) -> dict[str, Tensor]:
        """Which units of the live model stay: those with a weight other than zero in some row."""
        return {
            group.name: torch.stack(
                [
                    self._module(name).weight.detach()[index].ne(0).flatten(1).any(dim=1).cpu()
                    for name, index in group.rows.items()
                ]
            ).any(dim=0)
            for group in self.groups
        }

    def cuts(self, units: Units) -> Cuts:
        """Tensor of the shrunken model -> full shape, rows and columns that stay."""
        cuts: Cuts = {}
        for group in self.groups:
            stays = units[group.name]
            for name, index in group.rows.items():
                module, kept = self._module(name), index[stays].reshape(-1).sort().values.tolist()
                cuts[f"{name}.weight"] = (tuple(module.weight.shape), kept, None)
                if isinstance(module.bias, Tensor):
                    cuts[f"{name}.bias"] = (tuple(module.bias.shape), kept, None)
            for name, index in group.columns.items():
                kept = index[stays].reshape(-1).sort().values.tolist()
                cuts[f"{name}.weight"] = (tuple(self._module(name).weight.shape), None, kept)
        return cuts

    def _module(self, name: str) -> torch.nn.Linear:
        module = self.model.loaded.module.get_submodule(name)
        assert isinstance(module, torch.nn.Linear)
        return module


def structure_of(model: Model) -> Structure:
    """The units of a model.

    Raises:
        InputError: Its family names none.
    """
    if not isinstance(model.loaded, Structured):
        raise InputError(
            f"model {model.spec.name}: family {model.family} names no units (heads' dimensions, "
            f"hidden units) that structured pruning could take out"
        )
    return Structure(model, model.loaded.unit_groups)


@contextmanager
def shrunken(model: Model) -> Iterator[None]:
    """Do without the units that are zero, inside; the dense-shaped modules are back after it."""
    assert isinstance(model.loaded, Shrinks)
    kept = structure_of(model).kept()
    children = {part: dict(part._modules) for part in model.loaded.module.modules()}  # noqa: SLF001
    try:
        model.loaded.shrink({name: units.nonzero().squeeze(1) for name, units in kept.items()})
        yield
    finally:
        for part, own in children.items():
            part._modules = own  # noqa: SLF001 - torch has no other way to swap children back
