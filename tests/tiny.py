"""Tiny random models of every family, saved as folders with tokenizer and image processor."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForQuestionAnswering,
    BlipImageProcessorPil,
    BlipTextConfig,
    BlipVisionConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    PreTrainedTokenizerFast,
    T5Config,
    ViTConfig,
    ViTForImageClassification,
)

from harness.plugin import Sample

WORDS = "a b c d e f g h i j k l m n o p question : short answer ? yes no red photo of".split()
SPECIAL = ["<pad>", "</s>", "<unk>", "<image>", "<s>"]
VOCABULARY = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
SIDE = 32
#: Models that name one of seven classes.
CLASSIFIERS = ("vit", "deit", "timm_vit", "timm_eva")


def save_tokenizer(folder: Path, *, ends: bool = False, **extra: str) -> int:
    """A word-level tokenizer; returns the size of its vocabulary.

    Args:
        ends: Whether it puts </s> behind every text.
        extra: Further special tokens, by name.
    """
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if ends:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", VOCABULARY["</s>"])]
        )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        bos_token="<s>",
        extra_special_tokens=extra,
    ).save_pretrained(folder)
    return len(VOCABULARY)


def save_processor(folder: Path) -> None:
    BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)


def spread(model: torch.nn.Module) -> torch.nn.Module:
    """Random weights large enough that every layer matters."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.7 / parameter.shape[-1] ** 0.5 if parameter.dim() > 1 else 0.1
            noise = torch.randn(parameter.shape, generator=generator) * scale
            parameter.copy_(noise if parameter.dim() > 1 else parameter + noise)
    return model.eval()


def blip2_vision() -> dict:
    return Blip2VisionConfig(
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
    ).to_dict()


def blip2_qformer(vocabulary: int) -> dict:
    return Blip2QFormerConfig(
        vocab_size=vocabulary,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        cross_attention_frequency=1,
        encoder_hidden_size=24,
    ).to_dict()


def t5_text(vocabulary: int) -> T5Config:
    return T5Config(
        vocab_size=vocabulary,
        d_model=24,
        d_kv=12,
        d_ff=40,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )


def opt_text(vocabulary: int) -> OPTConfig:
    return OPTConfig(
        vocab_size=vocabulary,
        hidden_size=24,
        ffn_dim=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        word_embed_proj_dim=24,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=4,
    )


def blip2(folder: Path, text: T5Config | OPTConfig) -> None:
    config = Blip2Config(
        vision_config=blip2_vision(),
        qformer_config=blip2_qformer(save_tokenizer(folder)),
        text_config=text.to_dict(),
        num_query_tokens=4,
        image_token_index=3,
    )
    save_processor(folder)
    spread(Blip2ForConditionalGeneration(config)).save_pretrained(folder)


def blip2_t5(folder: Path) -> None:
    blip2(folder, t5_text(len(VOCABULARY)))


def blip2_opt(folder: Path) -> None:
    blip2(folder, opt_text(len(VOCABULARY)))


def blip_config(vocabulary: int) -> BlipConfig:
    vision = BlipVisionConfig(
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
    )
    text = BlipTextConfig(
        vocab_size=vocabulary,
        hidden_size=24,
        encoder_hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=40,
        bos_token_id=4,
        pad_token_id=0,
        eos_token_id=1,
        sep_token_id=1,
    )
    return BlipConfig(text_config=text.to_dict(), vision_config=vision.to_dict())


def blip_caption(folder: Path) -> None:
    save_processor(folder)
    config = blip_config(save_tokenizer(folder))
    spread(BlipForConditionalGeneration(config)).save_pretrained(folder)


def blip_vqa(folder: Path) -> None:
    save_processor(folder)
    config = blip_config(save_tokenizer(folder))
    spread(BlipForQuestionAnswering(config)).save_pretrained(folder)


def llama(folder: Path) -> None:
    config = LlamaConfig(
        vocab_size=save_tokenizer(folder),
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    spread(LlamaForCausalLM(config)).save_pretrained(folder)


def gpt2(folder: Path) -> None:
    config = GPT2Config(
        vocab_size=save_tokenizer(folder), n_embd=24, n_layer=2, n_head=2, n_positions=64
    )
    spread(GPT2LMHeadModel(config)).save_pretrained(folder)


def vit(folder: Path) -> None:
    save_processor(folder)
    config = ViTConfig(
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
        num_labels=7,
    )
    spread(ViTForImageClassification(config)).save_pretrained(folder)


def make_samples(kind: str, folder: Path, count: int = 6) -> list[Sample]:
    """Calibration samples that fit the family; prompts and targets of several lengths."""
    draw = np.random.Generator(np.random.PCG64(1))
    paths = [folder / f"{index}.png" for index in range(count)]
    for path in paths:
        Image.fromarray(draw.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)
    return [
        Sample(
            id=str(index),
            image=path,
            second_image=paths[index - 1] if kind == "blip_nlvr" else None,
            prompt=" ".join(WORDS[: 2 + index % 3]),
            target=_target(kind, index),
            tokens=tuple(5 + (index * 3 + k) % 20 for k in range(8 + index % 3)),
        )
        for index, path in enumerate(paths)
    ]


def _target(kind: str, index: int) -> str | int:
    if kind == "blip_nlvr":
        return "yes" if index % 2 else "no"
    if kind in CLASSIFIERS:
        return index % 7
    return " ".join(WORDS[index : index + 2 + index % 2])
