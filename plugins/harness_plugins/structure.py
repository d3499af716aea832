"""Units of transformer sub-layers, and the same sub-layers without some of their units."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.plugin import UnitGroup


def head_units(
    name: str, *, inputs: Sequence[str], output: str, heads: int, width: int, packed: int = 1
) -> UnitGroup:
    """Dimensions of attention heads: unit j is dimension j of every head, of queries, keys, values.

    Args:
        inputs: Layers that make queries, keys and values, heads one after the other.
        output: The layer that reads the heads.
        width: Dimensions of a head.
        packed: How many of queries, keys and values one input layer makes, one after the other.
    """
    starts = torch.arange(packed * heads) * width
    rows = torch.arange(width).unsqueeze(1) + starts
    return UnitGroup(
        name=name,
        kind="attention",
        rows=dict.fromkeys(inputs, rows),
        columns={output: rows[:, :heads]},
    )


def hidden_units(name: str, *, inputs: Sequence[str], output: str, size: int) -> UnitGroup:
    """Hidden units of a feed-forward network; a gated one has two input layers."""
    rows = torch.arange(size).unsqueeze(1)
    return UnitGroup(
        name=name, kind="mlp", rows=dict.fromkeys(inputs, rows), columns={output: rows}
    )


def vision_units(name: str, block: Any) -> list[UnitGroup]:
    """Units of a vision block of BLIP or BLIP-2, whose queries, keys and values are packed."""
    attention = block.self_attn
    return [
        head_units(
            f"{name}.self_attn",
            inputs=[f"{name}.self_attn.qkv"],
            output=f"{name}.self_attn.projection",
            heads=attention.num_heads,
            width=attention.head_dim,
            packed=3,
        ),
        hidden_units(
            f"{name}.mlp",
            inputs=[f"{name}.mlp.fc1"],
            output=f"{name}.mlp.fc2",
            size=block.mlp.fc1.out_features,
        ),
    ]


def shrink_units(
    module: nn.Module,
    groups: Sequence[UnitGroup],
    kept: Mapping[str, Tensor],
    with_head_width: Callable[[Any, int], nn.Module],
) -> None:
    """Swap linear layers for ones without the units that go, and attentions for narrower ones.

    Args:
        with_head_width: Makes an attention of that width of the heads around the narrowed layers
            of one that does not pack queries, keys and values.
    """
    for group in groups:
        stays = kept[group.name]
        for name, index in group.rows.items():
            swap(module, name, narrowed(module.get_submodule(name), rows=index[stays]))
        for name, index in group.columns.items():
            swap(module, name, narrowed(module.get_submodule(name), columns=index[stays]))
        if group.kind == "attention":
            attention: Any = module.get_submodule(group.name)
            is_packed = hasattr(attention, "qkv")
            other = (
                PackedAttention(attention) if is_packed else with_head_width(attention, len(stays))
            )
            swap(module, group.name, other)


def narrowed(
    layer: nn.Module, *, rows: Tensor | None = None, columns: Tensor | None = None
) -> nn.Linear:
    """A copy of a linear layer with only these rows or columns, in their old order."""
    assert isinstance(layer, nn.Linear)
    weight, bias = layer.weight.detach(), layer.bias
    if rows is not None:
        index = rows.reshape(-1).sort().values.to(weight.device)
        weight = weight[index]
        bias = bias if bias is None else nn.Parameter(bias.detach()[index], requires_grad=False)
    if columns is not None:
        weight = weight[:, columns.reshape(-1).sort().values.to(weight.device)]
    small = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    small.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    small.bias = bias
    return small


def swap(module: nn.Module, name: str, child: nn.Module) -> None:
    """Put another module in the place of that full name."""
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, child)


def with_width(attention: nn.Module, **widths: Any) -> nn.Module:
    """A copy of an attention whose forward takes its width from attributes, with other ones.

    The copy holds the same children, under a list of its own.
    """
    other = copy.copy(attention)
    other._modules = dict(attention._modules)  # noqa: SLF001 - nn.Module has no shallow copy
    for attribute, width in widths.items():
        setattr(other, attribute, width)
    return other


class PackedAttention(nn.Module):
    """Attention of a vision tower with packed queries, keys and values and an explicit width.

    transformers' own takes the width of a head from the width of the model.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.qkv, self.projection = attention.qkv, attention.projection
        self.heads, self.scale = attention.num_heads, attention.scale

    def forward(self, hidden_states: Tensor, **_: Any) -> tuple[Tensor, None]:
        """Hidden states (batch, tokens, width of the model), as they come out as well."""
        batch, tokens, _width = hidden_states.shape
        packed = self.qkv(hidden_states).reshape(batch, tokens, 3, self.heads, -1)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, scale=self.scale)
        return self.projection(mixed.transpose(1, 2).reshape(batch, tokens, -1)), None


class ScaledLinear(nn.Module):
    """A linear layer whose output is scaled: for attentions that divide by the new width's root."""

    def __init__(self, linear: nn.Linear, factor: float) -> None:
        super().__init__()
        self.weight, self.bias, self.factor = linear.weight, linear.bias, factor

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias) * self.factor
