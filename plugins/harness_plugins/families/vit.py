"""ViT classifiers: ``ViTForImageClassification`` of transformers (ViT, DeiT weights in it).

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021 (arXiv:2010.11929). Prunable are
the linear layers of the blocks; the patch embedding and the classifier are not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.plugin import Batch, InputError, ModelFamily, ModelSpec, Sample, Tower, hookimpl
from harness_plugins.pretrained import (
    blocks_at,
    identity_files,
    load_image_processor,
    load_weights,
    read_pixels,
    save_folder,
)


class ViT:
    """A loaded classifier; its calibration loss is the cross-entropy of the labels."""

    def __init__(self, module: Any, processor: Any) -> None:
        self.module: nn.Module = module
        self._model = module
        self._processor = processor
        blocks = blocks_at(self.module, "vit.layers", "vit.encoder.layers", "vit.encoder.layer")
        self.towers: Sequence[Tower] = [Tower(name="vision", blocks=blocks)]

    def prunable(self, name: str) -> bool:
        return True

    def collate(self, samples: Sequence[Sample]) -> Batch:
        pixels = read_pixels(self._processor, samples, self.module)
        labels = torch.tensor([_label(sample) for sample in samples], device=pixels.device)
        return {"pixel_values": pixels, "labels": labels}

    def loss(self, batch: Batch) -> Tensor:
        logits = self._model(pixel_values=batch["pixel_values"]).logits
        return nn.functional.cross_entropy(logits.float(), batch["labels"])

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {}

    @torch.no_grad()
    def classify(self, samples: Sequence[Sample]) -> Tensor:
        pixels = read_pixels(self._processor, samples, self.module)
        logits: Tensor = self._model(pixel_values=pixels).logits
        return logits.float()

    def files(self) -> Mapping[str, str]:
        return identity_files(self._model.config, processor=self._processor)

    def save(self, folder: Path) -> None:
        save_folder(folder, self._model, self._processor)


def _label(sample: Sample) -> int:
    if not isinstance(sample.target, int):
        raise InputError(
            f"calibration sample {sample.id} has target {sample.target!r}, not a class index; "
            f"imagefolder=DIR gives some"
        )
    return sample.target


class ViTFamily:
    """Any size of ``ViTForImageClassification``."""

    name: ClassVar[str] = "vit"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return "ViTForImageClassification" in config.get("architectures", ())

    def load(self, folder: str, spec: ModelSpec) -> ViT:
        from transformers import ViTForImageClassification

        module = load_weights(ViTForImageClassification, folder, spec)
        return ViT(module, load_image_processor(folder, spec))


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [ViTFamily]
