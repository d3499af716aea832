"""Tensor names of LAVIS's models and of ours, which are transformers', side by side.

A row reads "theirs | ours". ``#`` stands for a block's number and ``*`` for the rest of the name;
the first row that fits holds, in either direction. LAVIS is salesforce/LAVIS 1.0.2
(``lavis/models``), whose names the released code of ECoFLaP keeps.
"""

import importlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

VISION = """
visual_encoder.cls_token              | vision_model.embeddings.class_embedding
visual_encoder.pos_embed              | vision_model.embeddings.position_embedding
visual_encoder.patch_embed.proj.*     | vision_model.embeddings.patch_embedding.*
visual_encoder.blocks.#.norm1.*       | vision_model.encoder.layers.#.layer_norm1.*
visual_encoder.blocks.#.attn.qkv.*    | vision_model.encoder.layers.#.self_attn.qkv.*
visual_encoder.blocks.#.attn.proj.*   | vision_model.encoder.layers.#.self_attn.projection.*
visual_encoder.blocks.#.norm2.*       | vision_model.encoder.layers.#.layer_norm2.*
visual_encoder.blocks.#.mlp.*         | vision_model.encoder.layers.#.mlp.*
"""
BLIP2 = f"""{VISION}
ln_vision.*                                      | vision_model.post_layernorm.*
query_tokens                                     | query_tokens
Qformer.bert.embeddings.LayerNorm.*              | qformer.layernorm.*
Qformer.bert.encoder.layer.#.attention.self.*    | qformer.encoder.layer.#.attention.attention.*
Qformer.bert.encoder.layer.#.crossattention.self.* \
| qformer.encoder.layer.#.crossattention.attention.*
Qformer.bert.encoder.layer.#.*                   | qformer.encoder.layer.#.*
"""
BLIP = f"""{VISION}
visual_encoder.norm.*                 | vision_model.post_layernorm.*
text_encoder.*                        | text_encoder.*
text_decoder.*                        | text_decoder.*
"""
#: EVA-CLIP's biases: of queries, of values, none of keys; ours is one vector of all three.
QUERY_BIAS = "visual_encoder.blocks.#.attn.q_bias"
VALUE_BIAS = "visual_encoder.blocks.#.attn.v_bias"
PACKED_BIAS = "vision_model.encoder.layers.#.self_attn.qkv.bias"
#: A bare EVA-CLIP checkpoint: LAVIS runs 39 of its 40 blocks and none of its heads.
BARE_VISION = ("cls_token", "pos_embed", "patch_embed.*", "blocks.#.*")
UNUSED_VISION = ("blocks.39.*", "norm.*", "fc_norm.*", "head.*")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One of LAVIS's models."""

    name: str
    """As LAVIS registers it."""
    architecture: str
    """Our class for it."""
    module: str = "transformers"
    """Where that class is."""
    mark: str
    """A tensor that of all kinds only this one has, with those of `without` left out."""
    without: str = ""
    vocabulary: str
    """Its table of token embeddings."""
    table: str
    copies: str = ""
    """Rows "theirs | theirs": LAVIS saves the second again under the first name."""
    ties: str = ""
    """The same for tensors that may be tied in ours, and then are in the file once."""
    beside: tuple[str, ...] = ()
    """Tensors of LAVIS that our class does without; they are kept in a file of their own."""
    has_eva: bool = False
    """Whether the vision tower is EVA-CLIP's, with its own kind of biases."""

    @cached_property
    def our_class(self) -> Any:
        return getattr(importlib.import_module(self.module), self.architecture)

    @cached_property
    def rows(self) -> list[tuple[str, str]]:
        return _rows(self.table)

    @cached_property
    def copied(self) -> dict[str, str]:
        return dict(_rows(self.copies))

    @cached_property
    def tied(self) -> dict[str, str]:
        return dict(_rows(self.ties))

    def ours(self, name: str) -> str | None:
        """Our name of LAVIS's tensor, or None if it has none."""
        return _renamed(name, self.rows)

    def theirs(self, name: str) -> str | None:
        """LAVIS's name of our tensor."""
        return _renamed(name, [(right, left) for left, right in self.rows])

    def is_beside(self, name: str) -> bool:
        return any(fits(name, pattern) for pattern in self.beside)


KINDS = (
    Kind(
        name="blip2_t5",
        architecture="Blip2ForConditionalGeneration",
        mark="t5_proj.weight",
        vocabulary="t5_model.shared.weight",
        table=f"""{BLIP2}
        t5_proj.*     | language_projection.*
        t5_model.*    | language_model.*
        """,
        copies="""
        t5_model.encoder.embed_tokens.weight | t5_model.shared.weight
        t5_model.decoder.embed_tokens.weight | t5_model.shared.weight
        """,
        ties="t5_model.lm_head.weight | t5_model.shared.weight",
        beside=("Qformer.bert.embeddings.position_ids",),
        has_eva=True,
    ),
    Kind(
        name="blip2_opt",
        architecture="Blip2ForConditionalGeneration",
        mark="opt_proj.weight",
        vocabulary="opt_model.model.decoder.embed_tokens.weight",
        table=f"""{BLIP2}
        opt_proj.*    | language_projection.*
        opt_model.*   | language_model.*
        """,
        copies="opt_model.lm_head.weight | opt_model.model.decoder.embed_tokens.weight",
        beside=("Qformer.bert.embeddings.position_ids",),
        has_eva=True,
    ),
    Kind(
        name="blip2",
        architecture="Blip2ForImageTextRetrieval",
        mark="Qformer.bert.embeddings.word_embeddings.weight",
        vocabulary="Qformer.bert.embeddings.word_embeddings.weight",
        table=f"""
        Qformer.bert.embeddings.word_embeddings.*     | embeddings.word_embeddings.*
        Qformer.bert.embeddings.position_embeddings.* | embeddings.position_embeddings.*
        {BLIP2}
        vision_proj.* | vision_projection.*
        text_proj.*   | text_projection.*
        itm_head.*    | itm_head.*
        """,
        beside=("Qformer.bert.embeddings.position_ids", "Qformer.cls.*", "temp"),
        has_eva=True,
    ),
    Kind(
        name="blip_nlvr",
        architecture="BlipForNlvr",
        module="harness_plugins.families.blip.nlvr_module",
        mark="cls_head.0.weight",
        vocabulary="text_encoder.embeddings.word_embeddings.weight",
        table=f"""{BLIP}
        cls_head.*    | cls_head.*
        """,
        beside=("text_encoder.embeddings.position_ids",),
    ),
    Kind(
        name="blip_vqa",
        architecture="BlipForQuestionAnswering",
        mark="text_encoder.embeddings.word_embeddings.weight",
        vocabulary="text_encoder.embeddings.word_embeddings.weight",
        without="itm_head.weight",
        table=BLIP,
        copies="""
        text_decoder.cls.predictions.decoder.weight \
        | text_decoder.bert.embeddings.word_embeddings.weight
        text_decoder.cls.predictions.decoder.bias   | text_decoder.cls.predictions.bias
        """,
        beside=(
            "text_encoder.embeddings.position_ids",
            "text_decoder.bert.embeddings.position_ids",
        ),
    ),
    Kind(
        name="blip_caption",
        architecture="BlipForConditionalGeneration",
        mark="text_decoder.bert.embeddings.word_embeddings.weight",
        vocabulary="text_decoder.bert.embeddings.word_embeddings.weight",
        without="text_encoder.embeddings.word_embeddings.weight",
        table=BLIP,
        copies="""
        text_decoder.cls.predictions.decoder.weight \
        | text_decoder.bert.embeddings.word_embeddings.weight
        text_decoder.cls.predictions.decoder.bias   | text_decoder.cls.predictions.bias
        """,
        beside=("text_decoder.bert.embeddings.position_ids",),
    ),
    Kind(
        name="blip_image_text_matching",
        architecture="BlipForImageTextRetrieval",
        mark="text_encoder.embeddings.word_embeddings.weight",
        vocabulary="text_encoder.embeddings.word_embeddings.weight",
        without="text_decoder.bert.embeddings.word_embeddings.weight",
        table=f"""{BLIP}
        vision_proj.* | vision_proj.*
        text_proj.*   | text_proj.*
        itm_head.*    | itm_head.*
        """,
        # A fine-tuned checkpoint was saved by LAVIS's trainer of retrieval models.
        beside=(
            "text_encoder.embeddings.position_ids",
            "visual_encoder_m.*",
            "text_encoder_m.*",
            "vision_proj_m.*",
            "text_proj_m.*",
            "image_queue",
            "text_queue",
            "idx_queue",
            "queue_ptr",
            "temp",
        ),
    ),
)


def kind_of(names: Iterable[str]) -> Kind | None:
    """The kind of a state dict, by the tensors that it has and has not."""
    present = set(names)
    for kind in KINDS:
        if kind.mark in present and kind.without not in present:
            return kind
    return None


def kind_of_folder(architecture: str, names: Iterable[str]) -> Kind | None:
    """The kind that a folder of ours was, or may become."""
    encodes = any(name.startswith("language_model.encoder.") for name in names)
    found = [kind for kind in KINDS if kind.architecture == architecture]
    if len(found) > 1:  # BLIP-2 has two language models
        return next(kind for kind in found if (kind.name == "blip2_t5") == encodes)
    return found[0] if found else None


def fits(name: str, pattern: str) -> bool:
    """Whether a name is one of a pattern's.

    >>> fits("blocks.3.norm.bias", "blocks.#.*"), fits("norm.bias", "blocks.#.*")
    (True, False)
    """
    return _regex(pattern).fullmatch(name) is not None


def insert(name: str, pattern: str, other: str) -> str | None:
    """What `name` is called by `other`, if it fits `pattern`.

    >>> insert("blocks.3.norm.bias", "blocks.#.norm.*", "layers.#.ln.*")
    'layers.3.ln.bias'
    """
    match = _regex(pattern).fullmatch(name)
    if match is None:
        return None
    found = iter(match.groups())
    return re.sub(r"[#*]", lambda _: str(next(found)), other)


def _renamed(name: str, rows: Sequence[tuple[str, str]]) -> str | None:
    for pattern, other in rows:
        found = insert(name, pattern, other)
        if found is not None:
            return found
    return None


def _rows(table: str) -> list[tuple[str, str]]:
    lines = [line.split("|") for line in table.splitlines() if line.strip()]
    return [(left.strip(), right.strip()) for left, right in lines]


def _regex(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\#", r"(\d+)").replace(r"\*", "(.+)")
    return re.compile(escaped)
