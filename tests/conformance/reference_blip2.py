"""The reference's tiny BLIP-2, its calibration batches, and its weights after each released run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    T5Config,
)

from harness.budget import allocate, make_target
from harness.calibration import CalibrationSet
from harness.composition import compose
from harness.model import Model, identify
from harness.plugin import Batch, ModelSpec
from harness.plugin.manager import Plugins
from harness.pruning import Fine, Pruned, prune
from harness.scoring import score
from harness.spec import PrunerSpec
from harness_plugins.families.blip2 import Blip2

#: LAVIS's names -> Hugging Face's, applied one after the other.
NAMES = {
    "visual_encoder.": "vision_model.",
    "vision_model.cls_token": "vision_model.embeddings.class_embedding",
    "vision_model.pos_embed": "vision_model.embeddings.position_embedding",
    "vision_model.patch_embed.proj": "vision_model.embeddings.patch_embedding",
    "vision_model.blocks.": "vision_model.encoder.layers.",
    ".attn.qkv": ".self_attn.qkv",
    ".attn.proj": ".self_attn.projection",
    ".norm1.": ".layer_norm1.",
    ".norm2.": ".layer_norm2.",
    "ln_vision": "vision_model.post_layernorm",
    "Qformer.bert.embeddings.LayerNorm": "qformer.layernorm",
    "Qformer.bert.": "qformer.",
    "attention.self.": "attention.attention.",
    "t5_proj": "language_projection",
    "t5_model.": "language_model.",
}


def renamed(name: str) -> str:
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name


class LavisBlip2(Blip2):
    """BLIP-2 on batches of embeddings and masks as LAVIS puts them together."""

    def __init__(self, module: Any) -> None:
        super().__init__(module, tokenizer=None, processor=None)

    def loss(self, batch: Batch) -> Tensor:
        m: Any = self.module
        image = m.vision_model(batch["image"]).last_hidden_state
        queries = m.query_tokens.expand(len(image), -1, -1)
        queries = m.qformer(query_embeds=queries, encoder_hidden_states=image).last_hidden_state
        prompt = m.language_model.get_input_embeddings()(batch["input_ids"])
        ones = batch["attention_mask"].new_ones(queries.shape[:2])
        labels = batch["labels"].masked_fill(batch["labels"] == 0, -100)
        loss: Tensor = m.language_model(
            inputs_embeds=torch.cat([m.language_projection(queries), prompt], dim=1),
            attention_mask=torch.cat([ones, batch["attention_mask"]], dim=1),
            decoder_attention_mask=batch["decoder_attention_mask"],
            labels=labels,
            use_cache=False,
        ).loss
        return loss

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        queries = batch["attention_mask"].new_ones(len(batch["image"]), self.queries)
        encoder = torch.cat([queries, batch["attention_mask"]], dim=1).bool()
        decoder = batch["decoder_attention_mask"].bool()
        return {"language-encoder": encoder, "language-decoder": decoder}

    @property
    def queries(self) -> int:
        return int(self.module.config.num_query_tokens)

    def files(self) -> Mapping[str, str]:
        return {}


class Given:
    """The reference's batches of two, whatever size is asked for."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def batches(self, _: Model, samples: int | None = None, *, size: int) -> list[Batch]:
        return self._batches[: None if samples is None else samples // 2]


class ReferenceBlip2:
    """One fixture for all runs."""

    def __init__(self, folder: Path) -> None:
        self.content = json.loads((folder / "blip2.json").read_text())
        self.tensors = load_file(folder / "blip2.safetensors")
        dense = self.under("dense.")
        for name in [n for n in dense if n.endswith("q_bias")]:
            q, v = dense.pop(name), dense.pop(name.replace("q_bias", "v_bias"))
            dense[name.replace("q_bias", "qkv.bias")] = torch.cat([q, torch.zeros_like(q), v])
        self._dense = {renamed(name): tensor for name, tensor in dense.items()}
        self.batches = [self.under(f"batch.{i}.") for i in range(6)]

    def under(self, prefix: str) -> dict[str, Tensor]:
        found = self.tensors.items()
        return {k.removeprefix(prefix): v for k, v in found if k.startswith(prefix)}

    def model(self) -> Model:
        c = self.content
        vision = Blip2VisionConfig(
            hidden_size=c["vit_width"],
            intermediate_size=int(c["vit_width"] * c["vit_mlp_ratio"]),
            num_hidden_layers=c["depth"],
            num_attention_heads=c["vit_heads"],
            image_size=c["image_size"],
            patch_size=c["patch_size"],
        )
        text = T5Config(**{k: v for k, v in c["t5_config"].items() if "version" not in k})
        text.dense_act_fn = "gelu"
        bert = {k: v for k, v in c["bert_config"].items() if "version" not in k}
        bridge = Blip2QFormerConfig(**bert, encoder_hidden_size=c["vit_width"])
        config = Blip2Config(
            vision_config=vision,
            qformer_config=bridge,
            text_config=text,
            num_query_tokens=c["num_query_tokens"],
        )
        module = Blip2ForConditionalGeneration(config)
        head = self._dense["language_model.lm_head.weight"]  # the library ties it in any case
        module.language_model.lm_head.weight = torch.nn.Parameter(head.clone())
        missing, unexpected = module.load_state_dict(self._dense, strict=False)
        assert not missing, missing
        assert set(unexpected) <= {"qformer.embeddings.position_ids"}, unexpected
        loaded = LavisBlip2(module.eval())
        spec = ModelSpec(name="conformance")
        return Model(spec=spec, family="blip2", loaded=loaded, identity=identify(loaded))

    def prune(self, recipe: str, sparsity: float, plugins: Plugins, **settings: Any) -> Model:
        """Score, allocate and prune like a run of the harness."""
        model, calibration = self.model(), cast("CalibrationSet", Given(self.batches))
        composition = compose(PrunerSpec(recipe=recipe, settings=settings), plugins)
        estimator, allocator = composition.estimator, composition.allocator
        assert allocator is not None
        pruned = Pruned()
        for number in range(1, composition.rounds + 1):
            p = sparsity ** (composition.rounds / number)
            target = make_target(model.layers, p, composition.cap(p), None)
            weights, table = {}, None
            if estimator is not None:
                scores = score(model, estimator, calibration, 0, lambda *_: None)
                weights = dict(scores.weights)
                table = scores.table(model.layers, getattr(allocator, "granularity", "block"))
            fine = Fine(
                composition=composition,
                budget=allocate(allocator, table, model.layers, target),
                pattern=None,
                scores=weights,
                seed=0,
                before=pruned.masks,
            )
            pruned = prune(model, fine, calibration, lambda *_: None)
        return model

    def pruned(self, run: str) -> dict[str, Tensor]:
        """Layer -> weight after a released run."""
        weights = self.under(f"{run}.")
        return {renamed(k).removesuffix(".weight"): v for k, v in weights.items() if k != "loss"}
