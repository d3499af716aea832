"""Models of a config alone: weights drawn at random, and stand-ins for what a folder lacks.

For what depends on sizes and not on values: time, memory, shapes. A folder with a ``config.json``
and nothing else does. Its tokenizer then has a token for every byte, its vocabulary the size that
the model's embedding has; its images are squares of the size that the vision tower reads.
"""

from collections.abc import Mapping
from typing import Any

import torch

from harness.plugin import InputError, ModelSpec

SEED = 0
#: What tokenizers call the tokens whose ids a config gives; the names are for people.
SPECIAL = {
    "unk_token_id": "<unk>",
    "pad_token_id": "<pad>",
    "bos_token_id": "<s>",
    "sep_token_id": "<sep>",
    "eos_token_id": "</s>",
}
IMAGES = ("image_token_id", "image_token_index")
TEXT = ("text_config", "qformer_config")


def draw_model(model_class: Any, config: Any, spec: ModelSpec) -> Any:
    """A model of that config as it would be before training, straight on its device, in its dtype.

    The seed is fixed: with the same versions, the same weights. FlanT5 has a head of its own, which
    transformers' class unties only when it reads one: at random it is the embedding.
    """
    attention = {} if spec.attention == "auto" else {"attn_implementation": spec.attention}
    device = torch.device(spec.device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), device:
        torch.manual_seed(SEED)
        model = model_class._from_config(  # noqa: SLF001 - what transformers' own classes call
            config, dtype=getattr(torch, spec.dtype), **attention
        )
    return model.eval()


def make_tokenizer(config: Any, section: str = "") -> Any:
    """A tokenizer with a token for every byte, the config's special tokens, and its size.

    Args:
        section: Part of the config that says what is read; its text part unless given.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    part = getattr(config, section) if section else _section(config, "vocab_size", TEXT)
    special = _special_tokens(config, part)
    letters = iter(sorted(pre_tokenizers.ByteLevel.alphabet()))
    names = [special.get(i) or next(letters, f"<{i}>") for i in range(part.vocab_size)]
    if next(letters, None) is not None:
        raise InputError(f"a vocabulary of {part.vocab_size} has no room for a token a byte")
    vocabulary = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special.values()))
    end = next((name for name in ("</s>", "<sep>") if name in vocabulary), None)
    if end is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {end}", special_tokens=[(end, vocabulary[end])]
        )
    ids = {key.removesuffix("_id"): _token_id(part, key) for key in SPECIAL}
    named = {key: special[index] for key, index in ids.items() if index in special}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def _special_tokens(config: Any, part: Any) -> dict[int, str]:
    """Id -> name; a token that is several things goes by the last of them."""
    found = {_token_id(part, key): name for key, name in SPECIAL.items()}
    found |= {_token_id(config, key): "<image>" for key in IMAGES}
    return {i: name for i, name in found.items() if i is not None and 0 <= i < part.vocab_size}


def _token_id(part: Any, key: str) -> int | None:
    """The id that a config gives; of several, as Llama 3.1 has ends of texts, the first."""
    given = getattr(part, key, None)
    ids = given if isinstance(given, list | tuple) else [given]
    return next((i for i in ids if isinstance(i, int)), None)


def make_image_processor(config: Any) -> Any:
    """Transformers' processor of that kind of model, for the size that its vision tower reads.

    Raises:
        InputError: It has none.
    """
    import transformers
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    kinds: Mapping[str, str | None] = IMAGE_PROCESSOR_MAPPING_NAMES.get(config.model_type) or {}
    if not kinds.get("pil"):
        raise InputError(f"{config.model_type}: transformers has no image processor for it")
    side = getattr(_section(config, "image_size", ("vision_config",)), "image_size", None)
    square = {"height": side, "width": side}
    made = getattr(transformers, str(kinds["pil"]))()
    if side is not None and getattr(made, "crop_size", None):
        return type(made)(size={"shortest_edge": side}, crop_size=square)
    return made if side is None else type(made)(size=square)


def _section(config: Any, field: str, parts: tuple[str, ...]) -> Any:
    """The config or the part of it that has the field; else the config."""
    sections = [config, *(getattr(config, part, None) for part in parts)]
    return next((found for found in sections if getattr(found, field, None) is not None), config)
