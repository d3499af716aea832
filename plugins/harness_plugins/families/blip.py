"""BLIP: captioning and question answering, both by generation.

Li et al., "BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language
Understanding and Generation", ICML 2022 (arXiv:2201.12086), as ``BlipForConditionalGeneration``
and ``BlipForQuestionAnswering`` of transformers. Prunable are the linear layers of the vision,
text-encoder and text-decoder blocks.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
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
    ScaledLinear,
    head_units,
    hidden_units,
    shrink_units,
    swap,
    vision_units,
    with_width,
)

IGNORED = -100
CROSS = frozenset({"crossattention.self.key", "crossattention.self.value"})


class _Blip:
    """What both kinds share: towers of vision and text blocks."""

    module: nn.Module
    towers: Sequence[Tower]

    def prunable(self, name: str) -> bool:
        return True

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


def _text_units(name: str, block: Any) -> list[UnitGroup]:
    attentions = [
        head_units(
            f"{name}.{kind}.self",
            inputs=[f"{name}.{kind}.self.{layer}" for layer in ("query", "key", "value")],
            output=f"{name}.{kind}.output.dense",
            heads=block.attention.self.num_attention_heads,
            width=block.attention.self.attention_head_size,
        )
        for kind in ("attention", "crossattention")
        if hasattr(block, kind)
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


class BlipCaptioner(_Blip):
    """``BlipForConditionalGeneration``: the text decoder goes on from the prompt."""

    def __init__(self, module: Any, tokenizer: Any, processor: Any) -> None:
        self.module: nn.Module = module
        self._model = module
        self._text = module.config.text_config
        self._tokenizer = tokenizer
        self._processor = processor
        self.towers: Sequence[Tower] = [
            Tower(name="vision", blocks=blocks_at(module, "vision_model.encoder.layers")),
            Tower(
                name="language-decoder",
                blocks=blocks_at(module, "text_decoder.bert.encoder.layer"),
                cross_stream="vision",
                cross_roles=CROSS,
            ),
        ]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        pixels = read_pixels(self._processor, samples, self.module)
        prompts = [[self._text.bos_token_id, *_words(self._tokenizer, s.prompt)] for s in samples]
        targets = [
            [*_words(self._tokenizer, target_text(s)), self._text.sep_token_id] for s in samples
        ]
        ids = [prompt + target for prompt, target in zip(prompts, targets, strict=True)]
        labels = [[IGNORED] * len(p) + t for p, t in zip(prompts, targets, strict=True)]
        return {
            "pixel_values": pixels,
            "input_ids": pad(ids, self._text.pad_token_id, pixels.device),
            "attention_mask": pad([[1] * len(row) for row in ids], 0, pixels.device),
            "labels": pad(labels, IGNORED, pixels.device),
        }

    def loss(self, batch: Batch) -> Tensor:
        loss: Tensor = self._model(**batch).loss
        return loss.float()

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"language-decoder": batch["attention_mask"].bool()}

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        # The model's generate overwrites the first id with [DEC] and drops the last one.
        ends = (self._text.bos_token_id, self._text.sep_token_id)
        ids = [[ends[0], *_words(self._tokenizer, s.prompt), ends[1]] for s in samples]

        def run(rows: list[int], batch_ids: Tensor) -> Tensor:
            pixels = read_pixels(self._processor, [samples[row] for row in rows], self.module)
            made: Tensor = self._model.generate(
                pixel_values=pixels,
                input_ids=batch_ids,
                attention_mask=torch.ones_like(batch_ids),
                **generation_arguments(generation),
            )
            return made[:, batch_ids.shape[1] - 1 :]

        return _decode_by_length(ids, run, self._tokenizer, self.module)

    def files(self) -> Mapping[str, str]:
        return identity_files(self._model.config, self._tokenizer, self._processor)

    def save(self, folder: Path) -> None:
        save_folder(folder, self._model, self._tokenizer, self._processor)


class BlipAnswerer(_Blip):
    """``BlipForQuestionAnswering``: a text encoder reads the question, a decoder answers."""

    def __init__(self, module: Any, tokenizer: Any, processor: Any) -> None:
        self.module: nn.Module = module
        self._model = module
        self._text = module.config.text_config
        self._tokenizer = tokenizer
        self._processor = processor
        self.towers: Sequence[Tower] = [
            Tower(name="vision", blocks=blocks_at(module, "vision_model.encoder.layers")),
            Tower(
                name="language-encoder",
                blocks=blocks_at(module, "text_encoder.encoder.layer"),
                cross_stream="vision",
                cross_roles=CROSS,
            ),
            Tower(
                name="language-decoder",
                blocks=blocks_at(module, "text_decoder.bert.encoder.layer"),
                cross_stream="language-encoder",
                cross_roles=CROSS,
            ),
        ]
        for _, block in self.towers[-1].blocks:
            attention = block.get_submodule("crossattention.self")
            attention.register_forward_pre_hook(_mask_the_question, with_kwargs=True)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        pixels = read_pixels(self._processor, samples, self.module)
        questions = [list(self._tokenizer(s.prompt).input_ids) for s in samples]
        start, end, padding = (
            self._text.bos_token_id,
            self._text.sep_token_id,
            self._text.pad_token_id,
        )
        answers = [[start, *_words(self._tokenizer, target_text(s)), end] for s in samples]
        labels = [[IGNORED, *answer[1:]] for answer in answers]
        return {
            "pixel_values": pixels,
            "input_ids": pad(questions, padding, pixels.device),
            "attention_mask": pad([[1] * len(row) for row in questions], 0, pixels.device),
            "decoder_input_ids": pad(answers, padding, pixels.device),
            "decoder_attention_mask": pad([[1] * len(row) for row in answers], 0, pixels.device),
            "labels": pad(labels, IGNORED, pixels.device),
        }

    def loss(self, batch: Batch) -> Tensor:
        loss: Tensor = self._model(**batch).loss
        return loss.float()

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {
            "language-encoder": batch["attention_mask"].bool(),
            "language-decoder": batch["decoder_attention_mask"].bool(),
        }

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        ids = [list(self._tokenizer(sample.prompt).input_ids) for sample in samples]

        def run(rows: list[int], batch_ids: Tensor) -> Tensor:
            made: Tensor = self._model.generate(
                pixel_values=read_pixels(
                    self._processor, [samples[row] for row in rows], self.module
                ),
                input_ids=batch_ids,
                attention_mask=torch.ones_like(batch_ids),
                **generation_arguments(generation),
            )
            return made

        return _decode_by_length(ids, run, self._tokenizer, self.module)

    def files(self) -> Mapping[str, str]:
        return identity_files(self._model.config, self._tokenizer, self._processor)

    def save(self, folder: Path) -> None:
        save_folder(folder, self._model, self._tokenizer, self._processor)


def _mask_the_question(
    _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give cross-attention the mask it was called with.

    transformers 5.23 passes it as ``attention_mask``, which cross-attention then drops: padding of
    a shorter question would be read like words.
    """
    if kwargs.get("encoder_attention_mask") is None:
        kwargs = {**kwargs, "encoder_attention_mask": kwargs.get("attention_mask")}
    return args, kwargs


def _words(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _decode_by_length(
    ids: Sequence[Sequence[int]],
    run: Callable[[list[int], Tensor], Tensor],
    tokenizer: Any,
    module: nn.Module,
) -> list[str]:
    """Generate in groups of equal prompt length: BLIP's generate counts padding as text."""
    by_length: dict[int, list[int]] = {}
    for row, prompt in enumerate(ids):
        by_length.setdefault(len(prompt), []).append(row)
    texts = [""] * len(ids)
    device = next(module.parameters()).device
    for rows in by_length.values():
        made = run(rows, torch.tensor([list(ids[row]) for row in rows], device=device))
        decoded = tokenizer.batch_decode(made, skip_special_tokens=True)
        for row, text in zip(rows, decoded, strict=True):
            texts[row] = text.strip()
    return texts


class BlipFamily:
    """``BlipForConditionalGeneration`` and ``BlipForQuestionAnswering`` of any size."""

    name: ClassVar[str] = "blip"

    def matches(self, config: Mapping[str, Any]) -> bool:
        names = config.get("architectures") or ()
        return any(
            name in ("BlipForConditionalGeneration", "BlipForQuestionAnswering") for name in names
        )

    def load(self, folder: str, spec: ModelSpec) -> BlipCaptioner | BlipAnswerer:
        from transformers import AutoConfig, BlipForConditionalGeneration, BlipForQuestionAnswering

        names = AutoConfig.from_pretrained(folder, local_files_only=True).architectures
        parts = load_tokenizer(folder), load_image_processor(folder, spec)
        if "BlipForQuestionAnswering" in names:
            return BlipAnswerer(load_weights(BlipForQuestionAnswering, folder, spec), *parts)
        return BlipCaptioner(load_weights(BlipForConditionalGeneration, folder, spec), *parts)


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [BlipFamily]
