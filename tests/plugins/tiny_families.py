"""A tiny random model of every bundled family and architecture, as a folder each."""

from collections.abc import Callable
from pathlib import Path

from transformers import (
    Blip2Config,
    Blip2ForImageTextRetrieval,
    BlipForImageTextRetrieval,
    CLIPConfig,
    CLIPModel,
    SiglipConfig,
    SiglipModel,
)

from tests import tiny
from tests.tiny import SIDE, save_processor, save_tokenizer, spread


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


#: Architecture -> (family that loads it, builder of its folder).
TABLE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "blip2_t5": ("blip2", tiny.blip2_t5),
    "blip2_opt": ("blip2", tiny.blip2_opt),
    "blip2_retrieval": ("blip2", blip2_retrieval),
    "blip_caption": ("blip", tiny.blip_caption),
    "blip_vqa": ("blip", tiny.blip_vqa),
    "blip_retrieval": ("blip", blip_retrieval),
    "clip": ("clip", clip),
    "siglip": ("clip", siglip),
    "llama": ("causal-lm", tiny.llama),
    "gpt2": ("causal-lm", tiny.gpt2),
    "vit": ("vit", tiny.vit),
}
