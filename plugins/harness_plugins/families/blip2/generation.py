"""``Blip2ForConditionalGeneration``: a language model goes on from the Q-Former."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from harness.plugin import Generation, Sample, UnitGroup
from harness_plugins.images import distinct_images
from harness_plugins.language import Prompted, language_towers
from harness_plugins.loaded import Resizing
from harness_plugins.qformer import bridge_tower, vision_tower
from harness_plugins.structure import (
    head_units,
    hidden_units,
    shrink_units,
    vision_units,
    with_width,
)


class Blip2(Prompted, Resizing):
    """A loaded BLIP-2; image tokens stand before the prompt, as in LAVIS."""

    def __init__(self, module: Any, *, tokenizer: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        self._encodes = bool(module.language_model.config.is_encoder_decoder)
        self._image_tokens = [module.config.image_token_index] * module.config.num_query_tokens
        self.towers = [
            vision_tower(module),
            bridge_tower(module),
            *language_towers(module, "language_model"),
        ]

    def prunable(self, name: str) -> bool:
        return name.startswith(("vision_model.", "language_model."))

    @cached_property
    def unit_groups(self) -> Sequence[UnitGroup]:
        return [
            group
            for tower in self.towers
            if tower.name != "bridge"
            for name, block in tower.blocks
            for group in self._units_of(tower.name, name, block)
        ]

    def _units_of(self, tower: str, name: str, block: Any) -> list[UnitGroup]:
        if tower == "vision":
            return vision_units(name, block)
        if not self._encodes:
            attention = block.self_attn
            units = _head_units(
                f"{name}.self_attn", QKV, "out_proj", attention.num_heads, attention.head_dim
            )
            return [units, _hidden_units(name, block, ("fc1",), "fc2")]
        return [_t5_units(f"{name}.layer.{i}", part) for i, part in enumerate(block.layer)]

    def shrink(self, kept: Mapping[str, Tensor]) -> None:
        shrink_units(self.module, self.unit_groups, kept, _with_head_width)

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        return {**super().tokens_read(text, image), "bridge": len(self._image_tokens)}

    def _tokens_of_image(self, image: tuple[int, int]) -> int:
        return len(self._image_tokens)

    def _prompt_ids(self, prompt: str) -> list[int]:
        return [*self._image_tokens, *self._ids(prompt)]

    def _read(
        self, samples: Sequence[Sample], shown: Sequence[Sample] | None = None
    ) -> tuple[list[list[int]], dict[str, Any]]:
        pixels = self._pixels(samples if shown is None else shown)
        prompts = [self._prompt_ids(sample.prompt) for sample in samples]
        return prompts, {"pixel_values": pixels, **self._positions}

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        """An image that several samples show is seen once."""
        shown, places = distinct_images(samples)
        prompts, beside = self._read(samples, shown)
        with repeated(self._model.language_projection, places):
            return self._answers(samples, prompts, beside, generation)


@contextmanager
def repeated(module: nn.Module, rows: Sequence[int]) -> Iterator[None]:
    """Inside the context, the module gives those rows of what it would give."""
    chosen = list(rows)
    handle = module.register_forward_hook(lambda _module, _inputs, output: output[chosen])
    try:
        yield
    finally:
        handle.remove()


QKV = ("q_proj", "k_proj", "v_proj")


def _head_units(name: str, inputs: Sequence[str], output: str, heads: int, width: int) -> UnitGroup:
    return head_units(
        name,
        inputs=[f"{name}.{layer}" for layer in inputs],
        output=f"{name}.{output}",
        heads=heads,
        width=width,
    )


def _hidden_units(name: str, module: Any, inputs: Sequence[str], output: str) -> UnitGroup:
    return hidden_units(
        name,
        inputs=[f"{name}.{layer}" for layer in inputs],
        output=f"{name}.{output}",
        size=getattr(module, output).in_features,
    )


def _t5_units(name: str, part: Any) -> UnitGroup:
    """Units of one sub-layer of a T5 block: self-attention, cross-attention or feed-forward."""
    for kind in ("SelfAttention", "EncDecAttention"):
        attention = getattr(part, kind, None)
        if attention is not None:
            heads, width = attention.n_heads, attention.key_value_proj_dim
            return _head_units(f"{name}.{kind}", ("q", "k", "v"), "o", heads, width)
    dense = part.DenseReluDense
    inputs = ("wi_0", "wi_1") if hasattr(dense, "wi_0") else ("wi",)
    return _hidden_units(f"{name}.DenseReluDense", dense, inputs, "wo")


def _with_head_width(attention: Any, width: int) -> nn.Module:
    """An attention of T5 or OPT around its narrowed layers."""
    if hasattr(attention, "key_value_proj_dim"):  # T5
        return with_width(attention, key_value_proj_dim=width, inner_dim=attention.n_heads * width)
    return with_width(attention, head_dim=width, embed_dim=attention.num_heads * width)  # OPT
