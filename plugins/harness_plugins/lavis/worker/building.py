"""LAVIS's own classes in the sizes of our config.

What their constructors would download (EVA-CLIP, BERT, T5) comes from the config and the model's
folder instead.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

Config = Mapping[str, Any]
LONGEST_TEXT = 512


class Local:
    """Stands for a class of transformers: `from_pretrained` makes what is here."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def from_pretrained(self, *_: Any, **settings: Any) -> Any:
        return self._make(**settings)


def read_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer, which decodes as its settings say."""
    from transformers import PreTrainedTokenizerFast

    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    special = {k: v for k, v in settings.items() if k.endswith("_token") and isinstance(v, str)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), padding_side="right", **special
    )
    if not settings.get("clean_up_tokenization_spaces", False):
        tokenizer.clean_up_tokenization = lambda text: text
    return tokenizer


def read_bert_tokenizer(folder: Path) -> Any:
    """BERT's tokenizer with the tokens that LAVIS adds."""
    tokenizer = read_tokenizer(folder)
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    tokenizer.enc_token_id = tokenizer.additional_special_tokens_ids[0]
    return tokenizer


def build_blip2_t5(config: Config, folder: Path) -> Any:
    from lavis.models.blip2_models import blip2_t5
    from transformers import T5Config

    text = dict(config["text_config"])
    t5 = T5Config(**{k: v for k, v in text.items() if k != "dtype"})
    t5.tie_word_embeddings = text["scale_decoder_outputs"]

    def model(config: Any) -> Any:
        config.dense_act_fn = text["dense_act_fn"]  # LAVIS always says "gelu"
        return language_class(config)

    tokenizer, language_class = read_tokenizer(folder), blip2_t5.T5ForConditionalGeneration
    blip2_t5.T5TokenizerFast = Local(lambda **_: tokenizer)
    blip2_t5.T5Config = Local(lambda: t5)
    blip2_t5.T5ForConditionalGeneration = Local(model)
    _give_parts(config, tokenizer=None)
    return blip2_t5.Blip2T5(**_blip2_sizes(config), max_txt_len=LONGEST_TEXT)


def build_blip2_opt(config: Config, folder: Path) -> Any:
    from lavis.models.blip2_models import blip2_opt
    from transformers import OPTConfig

    opt = OPTConfig(**{k: v for k, v in config["text_config"].items() if k != "dtype"})
    tokenizer, language_class = read_tokenizer(folder), blip2_opt.OPTForCausalLM
    blip2_opt.AutoTokenizer = Local(lambda **_: tokenizer)
    blip2_opt.OPTForCausalLM = Local(lambda **_: language_class(opt))
    _give_parts(config, tokenizer=None)
    return blip2_opt.Blip2OPT(**_blip2_sizes(config), max_txt_len=LONGEST_TEXT)


def build_blip2(config: Config, folder: Path) -> Any:
    from lavis.models.blip2_models.blip2_qformer import Blip2Qformer

    _give_parts(config, tokenizer=read_bert_tokenizer(folder))
    bridge = config["qformer_config"]
    model = Blip2Qformer(
        **_blip2_sizes(config),
        cross_attention_freq=bridge["cross_attention_frequency"],
        embed_dim=config["image_text_hidden_size"],
    )
    model.Qformer.resize_token_embeddings(bridge["vocab_size"])
    return model


def _blip2_sizes(config: Config) -> dict[str, Any]:
    return {
        "img_size": config["vision_config"]["image_size"],
        "vit_precision": "fp32",
        "num_query_token": config["num_query_tokens"],
    }


def _give_parts(config: Config, tokenizer: Any) -> None:
    """Put EVA-CLIP and BERT of the config's sizes where LAVIS would load its own."""
    from lavis.models.blip2_models import blip2
    from lavis.models.blip2_models.Qformer import BertConfig, BertLMHeadModel
    from lavis.models.eva_vit import VisionTransformer

    vision, bridge = config["vision_config"], config["qformer_config"]
    blip2.create_eva_vit_g = lambda *_: VisionTransformer(
        **_vision_sizes(vision), use_mean_pooling=False
    )
    bert = BertConfig(**{k: v for k, v in bridge.items() if k not in ("dtype", "model_type")})
    bert.encoder_width = vision["hidden_size"]
    bert.add_cross_attention = True
    bert.cross_attention_freq = bridge["cross_attention_frequency"]
    bert.query_length = config["num_query_tokens"]

    def init_bridge(*_: Any) -> Any:
        tokens = torch.nn.Parameter(torch.zeros(1, bert.query_length, bert.hidden_size))
        return BertLMHeadModel(config=bert), tokens

    blip2.Blip2Base.init_Qformer = init_bridge
    blip2.Blip2Base.init_tokenizer = lambda *_: tokenizer


def _vision_sizes(vision: Config) -> dict[str, Any]:
    width = vision["hidden_size"]
    return {
        "img_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "embed_dim": width,
        "depth": vision["num_hidden_layers"],
        "num_heads": vision["num_attention_heads"],
        "mlp_ratio": (vision["intermediate_size"] + 0.5) / width,  # LAVIS takes the whole part
        "qkv_bias": True,
        "norm_layer": partial(torch.nn.LayerNorm, eps=vision["layer_norm_eps"]),
    }


def build_blip(config: Config, folder: Path, *, kind: str) -> Any:
    """The four BLIPs, of a vision tower and one or two BERTs."""
    from lavis.models.blip_models.blip import BlipBase
    from lavis.models.med import BertConfig, XBertEncoder, XBertLMHeadDecoder
    from lavis.models.vit import VisionTransformerEncoder

    tokenizer = read_bert_tokenizer(folder)
    BlipBase.init_tokenizer = lambda *_: tokenizer
    vision = VisionTransformerEncoder(**_vision_sizes(config["vision_config"]))
    vision.vision_width = config["vision_config"]["hidden_size"]
    text = config["text_config"]
    bert = BertConfig(**{k: v for k, v in text.items() if k not in ("dtype", "model_type")})
    bert.encoder_width, bert.add_cross_attention = text["encoder_hidden_size"], True
    bert.add_type_embeddings, bert.is_decoder = False, False
    if kind == "blip_nlvr":
        from lavis.models.blip_models.blip_nlvr import BlipNLVR
        from lavis.models.blip_models.nlvr_encoder import BertModel

        return BlipNLVR(vision, BertModel(bert, add_pooling_layer=False), len(config["id2label"]))
    encoder = partial(XBertEncoder, config=bert, add_pooling_layer=False)
    decoder = partial(XBertLMHeadDecoder, config=bert)
    if kind == "blip_vqa":
        from lavis.models.blip_models.blip_vqa import BlipVQA

        return BlipVQA(vision, encoder(), decoder(), max_txt_len=LONGEST_TEXT)
    if kind == "blip_caption":
        from lavis.models.blip_models.blip_caption import BlipCaption

        return BlipCaption(vision, decoder(), prompt="", max_txt_len=LONGEST_TEXT)
    from lavis.models.blip_models.blip_image_text_matching import BlipITM

    return BlipITM(vision, encoder(), embed_dim=config["image_text_hidden_size"])


BUILDERS: dict[str, Callable[[Config, Path], Any]] = {
    "blip2_t5": build_blip2_t5,
    "blip2_opt": build_blip2_opt,
    "blip2": build_blip2,
    **{
        kind: partial(build_blip, kind=kind)
        for kind in ("blip_vqa", "blip_caption", "blip_image_text_matching", "blip_nlvr")
    },
}
