"""BLIP-2: vision tower, Q-Former, and T5 or a decoder-only language model.

Li et al., "BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large
Language Models", ICML 2023 (arXiv:2301.12597), as ``Blip2ForConditionalGeneration`` of
transformers. Prunable are the linear layers of the vision and language blocks; the Q-Former, the
projections, embeddings and heads are not (ECoFLaP, section 4; 588 matrices for FlanT5-XL).
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from harness.plugin import (
    Batch,
    Generation,
    ModelFamily,
    ModelSpec,
    Sample,
    Tower,
    UnitGroup,
    hookimpl,
)
from harness_plugins.pretrained import (
    blocks_at,
    generation_arguments,
    identity_files,
    load_image_processor,
    load_tokenizer,
    load_weights,
    pad,
    read_pixels,
    save_folder,
    target_text,
)
from harness_plugins.structure import (
    head_units,
    hidden_units,
    shrink_units,
    vision_units,
    with_width,
)

IGNORED = -100


class Blip2:
    """A loaded BLIP-2; image tokens stand before the prompt, as in LAVIS."""

    def __init__(self, module: Any, tokenizer: Any, processor: Any) -> None:
        self.module: nn.Module = module
        self._model = module
        self._tokenizer = tokenizer
        self._processor = processor
        self._encodes = bool(module.language_model.config.is_encoder_decoder)
        self._image_tokens = [module.config.image_token_index] * module.config.num_query_tokens
        self._pad = module.config.text_config.pad_token_id
        self.towers: Sequence[Tower] = self._find_towers()

    def _find_towers(self) -> list[Tower]:
        vision = blocks_at(self.module, "vision_model.encoder.layers")
        bridge = blocks_at(self.module, "qformer.encoder.layer")
        towers = [
            Tower(name="vision", blocks=vision),
            Tower(
                name="bridge",
                blocks=bridge,
                cross_stream="vision",
                cross_roles=frozenset(
                    {"crossattention.attention.key", "crossattention.attention.value"}
                ),
            ),
        ]
        if not self._encodes:
            decoder = blocks_at(self.module, "language_model.model.decoder.layers")
            return [*towers, Tower(name="language-decoder", blocks=decoder)]
        return [
            *towers,
            Tower(
                name="language-encoder",
                blocks=blocks_at(self.module, "language_model.encoder.block"),
            ),
            Tower(
                name="language-decoder",
                blocks=blocks_at(self.module, "language_model.decoder.block"),
                cross_stream="language-encoder",
                cross_roles=frozenset({"layer.1.EncDecAttention.k", "layer.1.EncDecAttention.v"}),
            ),
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

    def collate(self, samples: Sequence[Sample]) -> Batch:
        device = next(self.module.parameters()).device
        prompts = [self._prompt_ids(sample.prompt) for sample in samples]
        targets = [self._target_ids(target_text(sample)) for sample in samples]
        if self._encodes:
            ids, labels = prompts, targets
        else:
            pairs = list(zip(prompts, targets, strict=True))
            ids = [prompt + target for prompt, target in pairs]
            labels = [[IGNORED] * len(prompt) + target for prompt, target in pairs]
        return {
            "pixel_values": read_pixels(self._processor, samples, self.module),
            "input_ids": pad(ids, self._pad, device),
            "attention_mask": pad([[1] * len(row) for row in ids], 0, device),
            "labels": pad(labels, IGNORED, device),
        }

    def _prompt_ids(self, prompt: str) -> list[int]:
        return [*self._image_tokens, *self._tokenizer(prompt).input_ids]

    def _target_ids(self, target: str) -> list[int]:
        if self._encodes:
            return list(self._tokenizer(target).input_ids)
        ids = self._tokenizer(" " + target, add_special_tokens=False).input_ids
        return [*ids, self._tokenizer.eos_token_id]

    def loss(self, batch: Batch) -> Tensor:
        loss: Tensor = self._model(**batch, use_cache=False).loss
        return loss.float()

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        read = batch["attention_mask"].bool()
        if not self._encodes:
            return {"language-decoder": read}
        return {"language-encoder": read, "language-decoder": batch["labels"] != IGNORED}

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        device = next(self.module.parameters()).device
        ids = [self._prompt_ids(sample.prompt) for sample in samples]
        mask = [[1] * len(row) for row in ids]
        if not self._encodes:  # a decoder continues from the right end
            ids = [row[::-1] for row in ids]
            mask = [row[::-1] for row in mask]
        input_ids, attention = pad(ids, self._pad, device), pad(mask, 0, device)
        if not self._encodes:
            input_ids, attention = input_ids.flip(1), attention.flip(1)
        made = self._model.generate(
            pixel_values=read_pixels(self._processor, samples, self.module),
            input_ids=input_ids,
            attention_mask=attention,
            **generation_arguments(generation),
        )
        if not self._encodes and made.shape[1] > input_ids.shape[1]:
            made = made[:, input_ids.shape[1] :]
        texts = self._tokenizer.batch_decode(made, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def files(self) -> Mapping[str, str]:
        return identity_files(self._model.config, self._tokenizer, self._processor)

    def save(self, folder: Path) -> None:
        save_folder(folder, self._model, self._tokenizer, self._processor)


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


class Blip2Family:
    """Any size of ``Blip2ForConditionalGeneration``."""

    name: ClassVar[str] = "blip2"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return "Blip2ForConditionalGeneration" in config.get("architectures", ())

    def load(self, folder: str, spec: ModelSpec) -> Blip2:
        from transformers import Blip2ForConditionalGeneration

        module = load_weights(Blip2ForConditionalGeneration, folder, spec)
        return Blip2(module, load_tokenizer(folder), load_image_processor(folder, spec))


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [Blip2Family]
