"""Checkpoints as LAVIS saves them, of random weights, and a tokenizer for them."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from harness_plugins.lavis.names import kind_of

State = dict[str, Tensor]
#: Names and shapes of what LAVIS 1.0.2's own classes save, built in tiny sizes by its worker.
SHAPES = json.loads((Path(__file__).parent / "data" / "lavis" / "shapes.json").read_text())
HEADS: dict[str, dict[str, Any]] = {
    "vision_config": {"num_attention_heads": 2},
    "qformer_config": {"num_attention_heads": 2, "max_position_embeddings": 20},
    "text_config": {"num_attention_heads": 4},
}
GIVEN = {"blip2_t5": {k: HEADS[k] for k in ("vision_config", "qformer_config")}}


def random_state(name: str, *, is_even: bool = False) -> State:
    """A checkpoint as LAVIS would save it, with its copies and counters.

    Args:
        is_even: Whether images are seen as wide as texts are read, which LAVIS's BLIP for questions
            needs to run.
    """
    generator = torch.Generator().manual_seed(0)
    sizes = {24: 16, 72: 48} if is_even else {}
    shapes = {n: [sizes.get(side, side) for side in s] for n, s in SHAPES[name].items()}
    state = {n: torch.randn(s, generator=generator) for n, s in shapes.items()}
    kind = kind_of(state)
    assert kind is not None
    for copy, source in kind.copied.items():
        state[copy] = state[source]
    for key, tensor in state.items():
        if key.endswith("position_ids"):
            state[key] = torch.arange(tensor.numel()).reshape(1, -1)
        if key.startswith("visual_encoder.blocks"):
            state[key] = tensor.half()  # as LAVIS keeps EVA-CLIP
    return state


def save_word_list(folder: Path, *, brackets: bool = False) -> None:
    """Twelve words; "\\n" is one, and BERT's own tokens are there.

    Args:
        brackets: Whether a text stands between [CLS] and [SEP], as BERT reads it.
    """
    words = "[PAD] </s> [CLS] [SEP] [UNK] a b c d e f \n".split(" ")
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split(" ", "removed")
    if brackets:
        ends = [(end, made.token_to_id(end)) for end in ("[CLS]", "[SEP]")]
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=ends
        )
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        eos_token="</s>",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
