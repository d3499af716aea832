"""Masks, ratios and scores of published pruning code on a tiny Llama and a tiny ViT."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    TimmWrapperConfig,
    TimmWrapperForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from harness.budget import Budget
from harness.calibration import CalibrationSet
from harness.composition import compose
from harness.masks import unpack
from harness.model import Model, identify
from harness.plugin import Batch, LayerInfo, ModelSpec, Pattern
from harness.plugin.manager import Plugins
from harness.pruning import Pruned
from harness.spec import PrunerSpec
from harness_plugins.families.timm import Timm
from harness_plugins.families.vit import ViT
from harness_plugins.torchvision_cpu import mend_torchvision
from tests.conformance.reference import Vectors, llama, under, windows
from tests.conformance.stages import run_stages

#: Share of mask entries that may differ: near-ties, which rounding decides.
TIES = 1e-4


@dataclass(frozen=True)
class Entry:
    """One run of a published function: what it was asked, and what it gave beside masks."""

    name: str
    content: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.content["settings"]

    @property
    def sparsity(self) -> float:
        return float(self.settings["sparsity"])

    @property
    def keep(self) -> Mapping[str, int]:
        """Layer -> how many weights it kept."""
        return self.content["layer_kept"]


class _OneBatch:
    """The reference's only batch, whatever size is asked for."""

    def __init__(self, pixels: Tensor) -> None:
        self._batch = {"pixel_values": pixels, "labels": torch.zeros(len(pixels)).long()}

    def batches(self, _: Model, samples: int | None = None, *, size: int) -> list[Batch]:
        return [self._batch]


def _vit_of_transformers(config: Mapping[str, Any], weights: Vectors) -> ViT:
    weights = {name: weight.clone() for name, weight in weights.items()}  # it takes them over
    module = ViTForImageClassification.from_pretrained(
        None, config=ViTConfig(**config), state_dict=weights
    )
    return ViT(module.eval(), processor=None)


def _vit_of_timm(config: Mapping[str, Any], weights: Vectors) -> Timm:
    mend_torchvision()
    pytest.importorskip("timm")
    sizes = {
        "embed_dim": config["hidden_size"],
        "depth": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "mlp_ratio": config["intermediate_size"] / config["hidden_size"],
        "img_size": config["image_size"],
        "patch_size": config["patch_size"],
    }
    wrapped = TimmWrapperConfig(
        architecture="vit_tiny_patch16_224", num_labels=config["num_labels"], model_args=sizes
    )
    module = TimmWrapperForImageClassification(wrapped).eval()
    module.load_state_dict({f"timm_model.{name}": weight for name, weight in weights.items()})
    return Timm(module, processor=None)


class ReferenceMethods:
    """The dense Llama, its calibration ids, and what each published run made of them."""

    def __init__(self, folder: Path) -> None:
        self.content = json.loads((folder / "methods.json").read_text())
        self.tensors: Vectors = load_file(folder / "methods.safetensors")

    def entries(self, head: str) -> list[Entry]:
        """The runs whose names are `head` or begin with it and a dot; skip if there are none."""
        found = [
            Entry(name, content)
            for name, content in self.content["entries"].items()
            if f"{name}.".startswith(f"{head}.")
        ]
        if not found:
            pytest.skip(f"the folder has no run of {head}")
        return found

    def llama(self) -> Model:
        """The dense Llama, made anew."""
        return llama(self.content["llama"]["config"], under(self.tensors, "llama.dense."))

    @cached_property
    def calibration(self) -> CalibrationSet:
        return windows(self.tensors["llama.calibration.input_ids"])

    def vit(self, naming: str) -> Model:
        """The dense ViT, made anew, as ``hf`` or as ``timm`` has it."""
        weights, config = under(self.tensors, f"vit.{naming}."), self.content["vit"]["config"]
        loaded = {"hf": _vit_of_transformers, "timm": _vit_of_timm}[naming](config, weights)
        spec = ModelSpec(name="conformance")
        return Model(spec=spec, family="vit", loaded=loaded, identity=identify(loaded))

    @property
    def images(self) -> CalibrationSet:
        """The ViT's one batch; its labels play no part."""
        pixels = self.tensors["vit.pixel_values"]
        return cast("CalibrationSet", _OneBatch(pixels))

    def stored_names(self, model: Model, naming: str) -> dict[str, str]:
        """Layer of the ViT -> its name in the folder, which is that of the same numbers."""
        stored = under(self.tensors, f"vit.{naming}.")
        return {
            layer.name: next(
                f"{naming}.{name.removesuffix('.weight')}"
                for name, weight in stored.items()
                if torch.equal(weight, model.weight(layer))
            )
            for layer in model.layers
        }

    def mask(self, entry: Entry, layer: LayerInfo, *, named: str | None = None) -> Tensor:
        """What a run kept of a layer, bool (out, in).

        Args:
            named: The layer's name there, if it is another.
        """
        packed = self.tensors[f"{entry.name}.keep.{named or layer.name}"]
        return unpack(packed, layer.shape)

    def prune(
        self,
        model: Model,
        plugins: Plugins,
        entry: Entry,
        spec: PrunerSpec,
        *,
        pattern: Pattern | None = None,
        counted: bool = False,
    ) -> tuple[Budget, Pruned]:
        """Prune the Llama to a run's sparsity.

        Args:
            counted: Whether every layer keeps as many weights as there, whatever the budget says.
        """
        return run_stages(
            model,
            self.calibration,
            compose(spec, plugins),
            entry.sparsity,
            pattern=pattern,
            keep=entry.keep if counted else None,
        )

    def flips(self, entry: Entry, model: Model, pruned: Pruned) -> float:
        """Share of mask entries that differ from a run's."""
        differing = sum(
            int((pruned.masks[layer.name] != self.mask(entry, layer)).sum())
            for layer in model.layers
        )
        return differing / sum(layer.numel for layer in model.layers)

    def loss(self, model: Model) -> float:
        """The Llama's mean loss on the calibration ids, each of them as label."""
        ids = self.tensors["llama.calibration.input_ids"]
        with torch.no_grad():
            return float(model.loaded.module(input_ids=ids, labels=ids).loss)
