"""The reference's tiny BLIP-2, its calibration batches, and its weights after each released run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from harness.budget import Budget
from harness.calibration import CalibrationSet
from harness.composition import compose
from harness.model import Model, identify
from harness.plugin import Batch, ModelSpec
from harness.plugin.manager import Plugins
from harness.spec import PrunerSpec
from harness_plugins.families.blip2 import Blip2
from harness_plugins.lavis.architecture import Sections
from harness_plugins.lavis.convert import from_lavis
from tests.conformance.stages import run_stages

MAX_DISTANCE = "relative_attention_max_distance"


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
        self.converted = from_lavis(self.under("dense."), self.given)
        self.batches = [self.under(f"batch.{i}.") for i in range(self.batch_count)]

    @property
    def given(self) -> Sections:
        """What shapes do not tell."""
        bert, t5 = self.content["bert_config"], self.content["t5_config"]
        return {
            "vision_config": {"num_attention_heads": self.content["vit_heads"]},
            "qformer_config": {k: bert[k] for k in ("num_attention_heads", "layer_norm_eps")},
            "text_config": {k: t5[k] for k in ("layer_norm_epsilon", MAX_DISTANCE)},
        }

    @property
    def batch_count(self) -> int:
        return len({name.split(".")[1] for name in self.tensors if name.startswith("batch.")})

    def under(self, prefix: str) -> dict[str, Tensor]:
        found = self.tensors.items()
        return {k.removeprefix(prefix): v for k, v in found if k.startswith(prefix)}

    def model(self) -> Model:
        loaded = LavisBlip2(self.converted.module())
        spec = ModelSpec(name="conformance")
        return Model(spec=spec, family="blip2", loaded=loaded, identity=identify(loaded))

    def prune(
        self, plugins: Plugins, sparsity: float, recipe: str | None, **asked: Any
    ) -> tuple[Model, Budget]:
        """Score, allocate and prune like a run of the harness.

        Args:
            asked: The rest of a `PrunerSpec`.
        """
        model, calibration = self.model(), cast("CalibrationSet", Given(self.batches))
        composition = compose(PrunerSpec(recipe=recipe, **asked), plugins)
        budget, _ = run_stages(model, calibration, composition, sparsity)
        return model, budget

    def flips(self, model: Model, run: str) -> dict[str, int]:
        """Layer -> entries that are zero in one of the two and not in the other."""
        theirs = self.pruned(run)
        return {
            layer.name: int(((model.weight(layer) != 0) != (theirs[layer.name] != 0)).sum())
            for layer in model.layers
        }

    def stored_keep(self, run: str) -> dict[str, int]:
        """Layer -> how many weights stay by the sparsity that the released code settled on."""
        sparsities = self.content["runs"][run]["sparsity"]
        numel = {name: tensor.numel() for name, tensor in self.under("dense.").items()}
        return {self.layer(n): numel[n] - int(numel[n] * s) for n, s in sparsities.items()}

    def pruned(self, run: str) -> dict[str, Tensor]:
        """Layer -> weight after a released run."""
        weights = self.under(f"{run}.")
        return {self.layer(name): v for name, v in weights.items() if name != "loss"}

    def layer(self, name: str) -> str:
        """Our layer of LAVIS's weight."""
        return str(self.converted.kind.ours(name)).removesuffix(".weight")
