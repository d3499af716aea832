"""What all heads of BLIP share: a vision tower, blocks of text, and the units of both."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from harness.plugin import Tower, UnitGroup
from harness_plugins.loaded import Resizing
from harness_plugins.pretrained import blocks_at
from harness_plugins.structure import (
    ScaledLinear,
    head_units,
    hidden_units,
    shrink_units,
    swap,
    vision_units,
    with_width,
)

IGNORED = -100
ENCODE = "[ENC]"


class Blip(Resizing):
    """A loaded BLIP with the settings of its text modules."""

    def __init__(self, module: Any, *, tokenizer: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        self._text = module.config.text_config

    def _grounded(self, ids: Sequence[int]) -> list[int]:
        """Ids of a text that is read beside an image: it starts with [ENC] instead of [CLS].

        transformers' tokenizers leave that token out; it ends the vocabulary, after [DEC].
        """
        known = self._tokenizer.get_vocab().get(ENCODE)
        if known is None and self._text.bos_token_id + 2 == self._text.vocab_size:
            known = self._text.bos_token_id + 1
        return list(ids) if known is None else [known, *ids[1:]]

    @cached_property
    def unit_groups(self) -> Sequence[UnitGroup]:
        return [
            group
            for tower in self.towers
            for name, block in tower.blocks
            for group in (
                vision_units(name, block) if tower.name == "vision" else _text_units(name, block)
            )
        ]

    def shrink(self, kept: Mapping[str, Tensor]) -> None:
        shrink_units(self.module, self.unit_groups, kept, _with_head_width)


def vision_tower(module: nn.Module) -> Tower:
    return Tower(name="vision", blocks=blocks_at(module, "vision_model.encoder.layers"))


def text_tower(module: nn.Module, name: str, path: str, *, reads: str) -> Tower:
    """Blocks of text at `path` whose cross-attention reads the tower `reads`."""
    return Tower(
        name=name,
        blocks=blocks_at(module, path),
        cross_stream=reads,
        cross_roles=frozenset({"crossattention.self.key", "crossattention.self.value"}),
    )


#: Attentions that a text block may have, and the layers that read them.
ATTENTIONS = {
    "attention.self": "attention.output.dense",
    "crossattention.self": "crossattention.output.dense",
    "crossattention.self0": "crossattention.output.dense0",
    "crossattention.self1": "crossattention.output.dense1",
}


def _text_units(name: str, block: Any) -> list[UnitGroup]:
    own = dict(block.named_modules())
    attentions = [
        head_units(
            f"{name}.{attention}",
            inputs=[f"{name}.{attention}.{layer}" for layer in ("query", "key", "value")],
            output=f"{name}.{output}",
            heads=block.attention.self.num_attention_heads,
            width=block.attention.self.attention_head_size,
        )
        for attention, output in ATTENTIONS.items()
        if attention in own
    ]
    hidden = hidden_units(
        f"{name}.intermediate",
        inputs=[f"{name}.intermediate.dense"],
        output=f"{name}.output.dense",
        size=block.intermediate.dense.out_features,
    )
    return [*attentions, hidden]


def _with_head_width(attention: Any, width: int) -> nn.Module:
    """A text attention around its narrowed layers, with the scale that it was trained with."""
    heads, full = attention.num_attention_heads, attention.attention_head_size
    other = with_width(attention, attention_head_size=width, all_head_size=heads * width)
    swap(other, "query", ScaledLinear(attention.query, math.sqrt(width / full)))
    return other


def decoded(
    ids: Sequence[Sequence[int]],
    run: Callable[[list[int], Tensor], Tensor],
    tokenizer: Any,
    device: torch.device,
) -> list[str]:
    """Generate in groups of equal prompt length: BLIP's generate counts padding as text."""
    by_length: dict[int, list[int]] = {}
    for row, prompt in enumerate(ids):
        by_length.setdefault(len(prompt), []).append(row)
    texts = [""] * len(ids)
    for rows in by_length.values():
        made = run(rows, torch.tensor([list(ids[row]) for row in rows], device=device))
        read = tokenizer.batch_decode(made, skip_special_tokens=True)
        for row, text in zip(rows, read, strict=True):
            texts[row] = text.strip()
    return texts
