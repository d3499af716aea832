"""The config of a model from the shapes of its tensors.

Shapes tell widths, depths, patches and vocabularies. They do not tell heads: these follow from the
width per head where LAVIS knows only one (88 in EVA-CLIP-g, 64 in BLIP's vision and in BERT), or
have to be given, like all else in which a model departs from LAVIS's own.
"""

import math
from collections.abc import Mapping
from typing import Any

from harness.plugin import InputError
from harness_plugins.lavis.names import Kind

Shapes = Mapping[str, tuple[int, ...]]
"""Our tensor names -> shape."""
Config = dict[str, Any]
Sections = Mapping[str, Mapping[str, Any]]
"""``vision_config``, ``qformer_config``, ``text_config`` -> settings."""

EVA_HEAD, BERT_HEAD = 88, 64
VISION_BLOCK = "vision_model.encoder.layers.0."
#: Of the labels, in the loss of BLIP's text decoder (lavis/models/med.py).
SMOOTHING = 0.1
#: OPT's position table starts with two unused rows.
OPT_OFFSET = 2


def config_of(kind: Kind, shapes: Shapes, given: Sections, tokens: Mapping[str, int]) -> Any:
    """The transformers config of a checkpoint.

    Args:
        given: What shapes do not tell, in transformers' names; it goes before what they do.
        tokens: Settings of the whole that the tokenizer decides, e.g. ``image_token_index``.

    Raises:
        InputError: The number of heads is not given and does not follow from a width.
    """
    import transformers

    vision = _merged("vision_config", _vision(shapes, kind), given)
    if kind.architecture.startswith("Blip2"):
        sections = {
            "vision_config": vision,
            "qformer_config": _merged("qformer_config", _qformer(shapes), given),
            "num_query_tokens": shapes["query_tokens"][1],
        }
        if "vision_projection.weight" in shapes:
            sections["image_text_hidden_size"] = shapes["vision_projection.weight"][0]
        else:
            text = _t5(shapes) if kind.name == "blip2_t5" else _opt(shapes)
            sections["text_config"] = _merged("text_config", text, given)
        made: Any = transformers.Blip2Config(**sections, **tokens)
    else:
        text = _merged("text_config", _bert(shapes) | dict(tokens), given)
        width = shapes.get("vision_proj.weight", (256,))[0]
        made = transformers.BlipConfig(
            vision_config=vision, text_config=text, image_text_hidden_size=width
        )
        if "cls_head.2.weight" in shapes:
            made.num_labels = shapes["cls_head.2.weight"][0]
    made.architectures = [kind.architecture]
    return made


def _merged(section: str, inferred: Config, given: Sections) -> Config:
    merged = inferred | dict(given.get(section, {}))
    if any(value is None for value in merged.values()):
        [missing] = [key for key, value in merged.items() if value is None]
        raise InputError(
            f"{missing} does not follow from the shapes; "
            f"give it in --config, e.g. {section}: {{{missing}: 12}}"
        )
    return merged


def _heads(width: int, per_head: int) -> int | None:
    return width // per_head if width % per_head == 0 else None


def _count(shapes: Shapes, prefix: str) -> int:
    """How many blocks ``prefix.0.``, ``prefix.1.`` … there are."""
    return len({n.removeprefix(prefix).partition(".")[0] for n in shapes if n.startswith(prefix)})


def _vision(shapes: Shapes, kind: Kind) -> Config:
    width, _, patch, _ = shapes["vision_model.embeddings.patch_embedding.weight"]
    places = shapes["vision_model.embeddings.position_embedding"][1] - 1
    return {
        "hidden_size": width,
        "intermediate_size": shapes[f"{VISION_BLOCK}mlp.fc1.weight"][0],
        "num_hidden_layers": _count(shapes, "vision_model.encoder.layers."),
        "num_attention_heads": _heads(width, EVA_HEAD if kind.has_eva else BERT_HEAD),
        "patch_size": patch,
        "image_size": math.isqrt(places) * patch,
        "layer_norm_eps": 1e-6,
        "hidden_act": "gelu",
    }


def _qformer(shapes: Shapes) -> Config:
    layers = "qformer.encoder.layer."
    first = f"{layers}0."
    width = shapes["query_tokens"][2]
    crossed = [
        index
        for index in range(_count(shapes, layers))
        if f"{layers}{index}.crossattention.attention.key.weight" in shapes
    ]
    has_text = "embeddings.word_embeddings.weight" in shapes
    config = {
        "hidden_size": width,
        "intermediate_size": shapes[f"{first}intermediate_query.dense.weight"][0],
        "num_hidden_layers": _count(shapes, layers),
        "num_attention_heads": _heads(width, BERT_HEAD),
        "cross_attention_frequency": crossed[1] if len(crossed) > 1 else _count(shapes, layers),
        "encoder_hidden_size": shapes[f"{first}crossattention.attention.key.weight"][1],
        "use_qformer_text_input": has_text,
    }
    if has_text:
        config["vocab_size"] = shapes["embeddings.word_embeddings.weight"][0]
        config["max_position_embeddings"] = shapes["embeddings.position_embeddings.weight"][0]
    return config


def _t5(shapes: Shapes) -> Config:
    """FlanT5 as LAVIS runs it: with the exact GELU instead of its tanh form."""
    encoder = "language_model.encoder.block."
    vocabulary, width = shapes["language_model.shared.weight"]
    bias = f"{encoder}0.layer.0.SelfAttention.relative_attention_bias.weight"
    buckets, heads = shapes[bias]
    dense = f"{encoder}0.layer.1.DenseReluDense."
    is_gated = f"{dense}wi_0.weight" in shapes
    return {
        "model_type": "t5",
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": shapes[f"{encoder}0.layer.0.SelfAttention.q.weight"][0] // heads,
        "d_ff": shapes[f"{dense}wo.weight"][1],
        "num_layers": _count(shapes, encoder),
        "num_decoder_layers": _count(shapes, "language_model.decoder.block."),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu" if is_gated else "relu",
        "dense_act_fn": "gelu",
        "tie_word_embeddings": False,
        "decoder_start_token_id": 0,
        "dropout_rate": 0.1,
    }


def _opt(shapes: Shapes) -> Config:
    decoder = "language_model.model.decoder."
    vocabulary, width = shapes[f"{decoder}embed_tokens.weight"]
    return {
        "model_type": "opt",
        "vocab_size": vocabulary,
        "word_embed_proj_dim": width,
        "hidden_size": shapes[f"{decoder}layers.0.self_attn.q_proj.weight"][0],
        "ffn_dim": shapes[f"{decoder}layers.0.fc1.weight"][0],
        "num_hidden_layers": _count(shapes, f"{decoder}layers."),
        "num_attention_heads": None,
        "max_position_embeddings": shapes[f"{decoder}embed_positions.weight"][0] - OPT_OFFSET,
    }


def _bert(shapes: Shapes) -> Config:
    """BLIP's text tower; encoder and decoder are of one size."""
    root = next(
        root
        for root in ("text_decoder.bert.", "text_encoder.")
        if f"{root}embeddings.word_embeddings.weight" in shapes
    )
    vocabulary, width = shapes[f"{root}embeddings.word_embeddings.weight"]
    layers = f"{root}encoder.layer."
    layer = f"{layers}0."
    depth = _count(shapes, layers)
    own = {}
    if f"{layer}crossattention.self0.key.weight" in shapes:  # of two images
        merge = "{}{}.crossattention.output.merge_layer.weight"
        own["merges_from"] = sum(merge.format(layers, i) not in shapes for i in range(depth))
    key = f"{layer}crossattention.self{'0' if own else ''}.key.weight"
    return {
        **own,
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shapes[f"{layer}intermediate.dense.weight"][0],
        "num_hidden_layers": depth,
        "num_attention_heads": _heads(width, BERT_HEAD),
        "max_position_embeddings": shapes[f"{root}embeddings.position_embeddings.weight"][0],
        "encoder_hidden_size": shapes[key][1],
        "projection_dim": shapes.get("text_proj.weight", (256,))[0],
        "hidden_act": "gelu",
        "label_smoothing": SMOOTHING,
    }
