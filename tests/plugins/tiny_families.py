"""A tiny random model of every bundled family and architecture, as a folder each."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    AutoTokenizer,
    Blip2Config,
    Blip2ForImageTextRetrieval,
    BlipForImageTextRetrieval,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    DeiTConfig,
    DeiTForImageClassification,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    OPTForCausalLM,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    SiglipConfig,
    SiglipModel,
    T5ForConditionalGeneration,
    TimmWrapperConfig,
    TimmWrapperForImageClassification,
)

from tests import tiny
from tests.tiny import SIDE, save_processor, save_tokenizer, spread

DECODER = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
VISION = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 16,
}
CLIP_TOWER = {"model_type": "clip_vision_model"}


def two_towers(vocabulary: int) -> dict:
    """Sizes of CLIP's and SigLIP's towers."""
    size = {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    return {
        "vision_config": {**size, "image_size": SIDE, "patch_size": 16},
        "text_config": {
            **size,
            "vocab_size": vocabulary,
            "max_position_embeddings": 8,
            "bos_token_id": 4,
            "eos_token_id": 1,
            "pad_token_id": 0,
        },
    }


def clip(folder: Path) -> None:
    save_processor(folder)
    towers = two_towers(save_tokenizer(folder, ends=True))
    spread(CLIPModel(CLIPConfig(**towers, projection_dim=16))).save_pretrained(folder)


def siglip(folder: Path) -> None:
    save_processor(folder)
    towers = two_towers(save_tokenizer(folder, ends=True))
    spread(SiglipModel(SiglipConfig(**towers))).save_pretrained(folder)


def blip_retrieval(folder: Path) -> None:
    save_processor(folder)
    config = tiny.blip_config(save_tokenizer(folder, ends=True))
    config.image_text_hidden_size = 16
    spread(BlipForImageTextRetrieval(config)).save_pretrained(folder)


def blip_nlvr(folder: Path) -> None:
    from harness_plugins.families.blip.nlvr_module import BlipForNlvr

    save_processor(folder)
    config = tiny.blip_config(save_tokenizer(folder, ends=True))
    config.text_config.merges_from = 1
    config.num_labels = 2
    spread(BlipForNlvr(config)).save_pretrained(folder)


def blip2_retrieval(folder: Path) -> None:
    save_processor(folder)
    vocabulary = save_tokenizer(folder, ends=True)
    config = Blip2Config(
        vision_config=tiny.blip2_vision(),
        qformer_config={**tiny.blip2_qformer(vocabulary), "use_qformer_text_input": True},
        text_config={},
        num_query_tokens=4,
        image_text_hidden_size=16,
    )
    spread(Blip2ForImageTextRetrieval(config)).save_pretrained(folder)


def opt(folder: Path) -> None:
    spread(OPTForCausalLM(tiny.opt_text(save_tokenizer(folder)))).save_pretrained(folder)


def qwen2(folder: Path) -> None:
    config = Qwen2Config(
        vocab_size=save_tokenizer(folder), **DECODER, tie_word_embeddings=True, eos_token_id=1
    )
    spread(Qwen2ForCausalLM(config)).save_pretrained(folder)


def t5(folder: Path) -> None:
    config = tiny.t5_text(save_tokenizer(folder, ends=True))
    spread(T5ForConditionalGeneration(config)).save_pretrained(folder)


def deit(folder: Path) -> None:
    save_processor(folder)
    config = DeiTConfig(**VISION, num_labels=7)
    spread(DeiTForImageClassification(config)).save_pretrained(folder)


def timm(folder: Path, architecture: str, **sizes: int) -> None:
    pytest.importorskip("timm")
    images = {"mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 0.875, "input_size": [3, SIDE, SIDE]}
    config = TimmWrapperConfig(
        architecture=architecture,
        num_labels=7,
        model_args={"embed_dim": 24, "depth": 2, "num_heads": 2, "img_size": SIDE, **sizes},
        pretrained_cfg={**images, "interpolation": "bicubic", "crop_mode": "center"},
    )
    spread(TimmWrapperForImageClassification(config)).save_pretrained(folder)


def timm_vit(folder: Path) -> None:
    timm(folder, "vit_tiny_patch16_224")


def timm_eva(folder: Path) -> None:
    timm(folder, "eva_giant_patch14_224", patch_size=16)


def instructblip(folder: Path, text: dict) -> None:
    vocabulary = save_tokenizer(folder, ends=True)
    save_tokenizer(folder / "qformer_tokenizer")
    save_processor(folder)
    config = InstructBlipConfig(
        vision_config=tiny.blip2_vision(),
        qformer_config=tiny.blip2_qformer(vocabulary),
        text_config=text,
        num_query_tokens=4,
        image_token_index=3,
    )
    spread(InstructBlipForConditionalGeneration(config)).save_pretrained(folder)


def instructblip_t5(folder: Path) -> None:
    instructblip(folder, tiny.t5_text(len(tiny.VOCABULARY)).to_dict())


def instructblip_opt(folder: Path) -> None:
    instructblip(folder, tiny.opt_text(len(tiny.VOCABULARY)).to_dict())


def llava(folder: Path, tower: Mapping[str, Any] = CLIP_TOWER, **changes: Any) -> None:
    vocabulary = save_tokenizer(folder, image_token="<image>")
    images = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    LlavaProcessor(
        image_processor=images,
        tokenizer=AutoTokenizer.from_pretrained(folder),
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    config = LlavaConfig(
        vision_config={**VISION, **tower},
        text_config={"model_type": "llama", "vocab_size": vocabulary, **DECODER},
        image_token_index=3,
        **changes,
    )
    spread(LlavaForConditionalGeneration(config)).save_pretrained(folder)


def llava_siglip(folder: Path) -> None:
    """A tower without a class token, all of whose tokens are read."""
    tower = {"model_type": "siglip_vision_model", "vision_use_head": False}
    llava(folder, tower, vision_feature_select_strategy="full")
    path = folder / "processor_config.json"
    settings = {"num_additional_image_tokens": 0, "vision_feature_select_strategy": "full"}
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


CHAT = (
    "{% for message in messages %}question : {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}? <image>{% else %} {{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %} short answer :\n"
)


def qwen_vl(folder: Path, config: type, model: type, vision: dict) -> None:
    vocabulary = save_tokenizer(folder, image_token="<image>")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    ).save_pretrained(folder)
    tiny_config = config(
        vision_config={"patch_size": 8, "spatial_merge_size": 2, "num_heads": 2, **vision},
        text_config={
            "vocab_size": vocabulary,
            **DECODER,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 1]},
        },
        image_token_id=3,
        video_token_id=2,
        vision_start_token_id=tiny.VOCABULARY["?"],  # of the chat template
    )
    spread(model(tiny_config)).save_pretrained(folder)


def qwen2_vl(folder: Path) -> None:
    vision = {"embed_dim": 24, "hidden_size": 24, "depth": 2, "mlp_ratio": 2}
    qwen_vl(folder, Qwen2VLConfig, Qwen2VLForConditionalGeneration, vision)


def qwen2_5_vl(folder: Path) -> None:
    vision = {
        "hidden_size": 24,
        "intermediate_size": 40,
        "out_hidden_size": 24,
        "depth": 2,
        "fullatt_block_indexes": [1],
        "window_size": 16,
    }
    qwen_vl(folder, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, vision)


#: Architecture -> (family that loads it, builder of its folder).
TABLE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "blip2_t5": ("blip2", tiny.blip2_t5),
    "blip2_opt": ("blip2", tiny.blip2_opt),
    "blip2_retrieval": ("blip2", blip2_retrieval),
    "instructblip_t5": ("instructblip", instructblip_t5),
    "instructblip_opt": ("instructblip", instructblip_opt),
    "blip_caption": ("blip", tiny.blip_caption),
    "blip_vqa": ("blip", tiny.blip_vqa),
    "blip_retrieval": ("blip", blip_retrieval),
    "blip_nlvr": ("blip", blip_nlvr),
    "clip": ("clip", clip),
    "siglip": ("clip", siglip),
    "llava": ("llava", llava),
    "llava_siglip": ("llava", llava_siglip),
    "qwen2_vl": ("qwen2-vl", qwen2_vl),
    "qwen2_5_vl": ("qwen2-vl", qwen2_5_vl),
    "llama": ("causal-lm", tiny.llama),
    "qwen2": ("causal-lm", qwen2),
    "gpt2": ("causal-lm", tiny.gpt2),
    "opt": ("causal-lm", opt),
    "t5": ("t5", t5),
    "vit": ("vit", tiny.vit),
    "deit": ("vit", deit),
    "timm_vit": ("timm", timm_vit),
    "timm_eva": ("timm", timm_eva),
}
