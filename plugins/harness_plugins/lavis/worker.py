"""Unmodified LAVIS in a process of its own: JSON lines in, JSON lines out.

Run by the Python of the environment that `harness lavis setup` made; it imports nothing of ours.
LAVIS's classes are built by their own constructors, in the sizes of our config. What these would
download (EVA-CLIP, BERT, T5) comes from the config and the model's folder instead.
"""

import json
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

Config = Mapping[str, Any]
LONGEST_TEXT = 512


def main() -> None:
    """Answer until the input ends; what libraries print goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            answer = {"error": f"{type(error).__name__}: {reason}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def admit_cpu_torchvision() -> None:
    """Import torchvision although its operators are missing, if nothing else is wrong with it.

    Wheels of torchvision from the package index are linked against CUDA; beside a CPU build of
    torch their operators do not register, and the module that describes them fails. Nothing here
    uses these operators.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        described = "torchvision._meta_registrations"
        sys.modules[described] = types.ModuleType(described)


class Worker:
    """One model; a public method is a request."""

    def __init__(self) -> None:
        self.model: Any = None
        self.prepare: Any = None

    def build(
        self, kind: str, config: Config, folder: str, images: Config, device: str
    ) -> dict[str, Any]:
        """Build a model without weights of its own; `folder` has its tokenizer."""
        admit_cpu_torchvision()
        from importlib.metadata import version

        from lavis.processors.blip_processors import BlipImageEvalProcessor

        builder = BUILDERS.get(kind)
        if builder is None:
            raise ValueError(f"no builder for {kind}")
        torch.manual_seed(0)
        self.model = builder(config, Path(folder)).float().eval().to(device)
        self.prepare = BlipImageEvalProcessor(images["side"], images["mean"], images["std"])
        return {"versions": {n: version(n) for n in ("salesforce-lavis", "transformers", "torch")}}

    def load(self, weights: str) -> dict[str, Any]:
        """Give the model the weights of a safetensors file."""
        from safetensors.torch import load_file

        state = load_file(weights)
        found = self.model.load_state_dict(
            {
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in state.items()
            },
            strict=False,
        )
        return {"missing": found.missing_keys, "unexpected": found.unexpected_keys}

    def shapes(self) -> dict[str, Any]:
        """Name -> shape of all that the model saves."""
        return {name: list(tensor.shape) for name, tensor in self.model.state_dict().items()}

    @torch.no_grad()
    def generate(
        self, images: Sequence[str], prompts: Sequence[str], generation: Config
    ) -> dict[str, Any]:
        texts = self.model.generate(
            {"image": self._pixels(images), "prompt": list(prompts)},
            num_beams=generation["num_beams"],
            max_length=generation["max_new_tokens"],
            min_length=generation["min_length"],
            length_penalty=generation["length_penalty"],
        )
        return {"texts": [text.strip() for text in texts]}

    @torch.no_grad()
    def loss(
        self, images: Sequence[str], prompts: Sequence[str], targets: Sequence[str]
    ) -> dict[str, Any]:
        batch = {
            "image": self._pixels(images),
            "text_input": list(prompts),
            "text_output": list(targets),
        }
        return {"loss": float(self.model(batch)["loss"])}

    def _pixels(self, paths: Sequence[str]) -> torch.Tensor:
        from PIL import Image

        pixels = []
        for path in paths:
            with Image.open(path) as image:
                pixels.append(self.prepare(image.convert("RGB")))
        return torch.stack(pixels).to(self.model.device)


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

        return BlipNLVR(vision, BertModel(bert, add_pooling_layer=False), config["num_labels"])
    encoder = partial(XBertEncoder, config=bert, add_pooling_layer=False)
    decoder = partial(XBertLMHeadDecoder, config=bert)
    if kind == "blip_vqa":
        from lavis.models.blip_models.blip_vqa import BlipVQA

        return BlipVQA(vision, encoder(), decoder())
    if kind == "blip_caption":
        from lavis.models.blip_models.blip_caption import BlipCaption

        return BlipCaption(vision, decoder(), prompt="")
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

if __name__ == "__main__":
    main()
