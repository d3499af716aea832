"""Sums over what layers read: the statistics that local pruners ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.errors import RunError
from harness.plugin import LayerInfo, Statistic, Statistics


class Tokens(NamedTuple):
    """What a layer reads of one batch."""

    x: Tensor
    """float32 (tokens, in), real tokens alone."""
    per_sample: list[int] | None
    """How many of them each sample has, in order; None = cannot be told."""


#: Input tensor (by id, kept alive) -> its real tokens, for layers that read the same tensor.
SharedTokens = dict[int, tuple[Tensor, Tokens]]


class InputStatistics:
    """Sums over the real tokens that one layer reads, in float32.

    float32, because half precision loses small addends in a long sum.
    """

    def __init__(self, layer: LayerInfo, kinds: AbstractSet[Statistic]) -> None:
        self.layer = layer
        self.kinds = kinds
        self.tokens = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, tokens: Tokens, batch: int) -> None:
        """Add the tokens of the calibration batch of that number, from 0.

        Raises:
            RunError: They are NaN or infinite, or too large for their squares to be summed; or
                it takes to tell samples apart, and the layer's input does not.
        """
        x = tokens.x
        self.tokens += x.shape[0]
        if self.kinds & {"input_sq", "input_var"}:
            self._accumulate("sq", x.square().sum(dim=0), batch)
        if self.kinds & {"input_mean", "input_var"}:
            self._accumulate("sum", x.sum(dim=0), batch)
        if "input_var_within" in self.kinds:
            self._accumulate("within", _squares_within(tokens, self.layer), batch)
        if "gram" in self.kinds:
            self._accumulate("gram", x.t() @ x, batch)

    def _accumulate(self, name: str, addend: Tensor, batch: int) -> None:
        if not bool(torch.isfinite(addend).all()):
            raise RunError(
                f"layer {self.layer.name}: activations of calibration batch {batch + 1} are NaN "
                f"or infinite; finite ones are needed"
            )
        self._sums[name] = self._sums[name] + addend if name in self._sums else addend

    def finish(self, samples: int) -> Statistics:
        """The statistics of all that was added, from so many calibration samples.

        Raises:
            RunError: Nothing was added: no forward pass runs the layer, or it reads padding alone.
        """
        if not self.tokens:
            raise RunError(
                f"layer {self.layer.name} reads no token of the calibration data, so it has no "
                f"statistics; prune it by a method that needs no data, or let the model's family "
                f"say that it is not prunable"
            )
        values: dict[Statistic, Tensor] = {}
        if "input_sq" in self.kinds:
            values["input_sq"] = self._sums["sq"]
        if "input_mean" in self.kinds:
            values["input_mean"] = self._sums["sum"] / self.tokens
        if "input_var" in self.kinds:
            mean = self._sums["sum"] / self.tokens
            values["input_var"] = (self._sums["sq"] / self.tokens - mean.square()).clamp_min(0)
        if "input_var_within" in self.kinds:
            values["input_var_within"] = self._sums["within"] / self.tokens
        if "gram" in self.kinds:
            values["gram"] = self._sums["gram"]
        return Statistics(layer=self.layer.name, samples=samples, tokens=self.tokens, values=values)


def _squares_within(tokens: Tokens, layer: LayerInfo) -> Tensor:
    """(in,): summed squares of each token's distance from the mean of its own sample."""
    if tokens.per_sample is None:
        raise RunError(
            f"layer {layer.name}: its input does not tell samples apart, which input_var_within "
            f"needs"
        )
    squares = tokens.x.new_zeros(tokens.x.shape[1])
    for sample in torch.split(tokens.x, tokens.per_sample):
        squares += (sample - sample.mean(dim=0)).square().sum(dim=0)
    return squares


def collecting_hook(
    collector: InputStatistics,
    masks: Mapping[str, Tensor],
    shared: SharedTokens,
    batch: int,
    samples: int,
) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """A forward pre-hook; `shared` lets layers that read the same tensor share its real tokens.

    Args:
        samples: How many the batch has.
    """

    def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        x = args[0]
        if id(x) not in shared:
            mask = masks.get(collector.layer.stream)
            shared[id(x)] = (x, _real_tokens(x, mask, collector.layer, samples))
        collector.add(shared[id(x)][1], batch)

    return hook


def _real_tokens(x: Tensor, mask: Tensor | None, layer: LayerInfo, samples: int) -> Tokens:
    """Tokens x (batch, seq, in) or (tokens, in) without padding.

    Without a mask, tokens of one list need not be of equally many a sample.
    """
    flat = x.reshape(-1, x.shape[-1])
    if mask is None:
        even = samples == 1 or (x.dim() > 2 and x.shape[0] % samples == 0)
        return Tokens(flat.float(), [len(flat) // samples] * samples if even else None)
    if mask.numel() != flat.shape[0]:
        raise RunError(
            f"layer {layer.name} reads {flat.shape[0]} tokens, but the mask of stream "
            f"{layer.stream} is of {mask.numel()}"
        )
    real = flat[mask.reshape(-1).to(flat.device)].float()
    return Tokens(real, mask.sum(dim=-1).tolist() if mask.dim() == 2 else None)
