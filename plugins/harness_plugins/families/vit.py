"""ViT classifiers: ``ViTForImageClassification`` of transformers (ViT, DeiT weights in it).

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021 (arXiv:2010.11929). Prunable are
the linear layers of the blocks; the patch embedding and the classifier are not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.plugin import Batch, InputError, ModelFamily, ModelSpec, Sample, Tower, hookimpl
from harness_plugins.images import load_image_processor
from harness_plugins.loaded import Seeing
from harness_plugins.pretrained import blocks_at, load_weights


class ViT(Seeing):
    """A loaded classifier; its calibration loss is the cross-entropy of the labels."""

    def __init__(self, module: Any, *, processor: Any) -> None:
        super().__init__(module, processor=processor)
        blocks = blocks_at(self.module, "vit.layers", "vit.encoder.layers", "vit.encoder.layer")
        self.towers = [Tower(name="vision", blocks=blocks)]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        labels = torch.tensor([_label(sample) for sample in samples], device=self.device)
        return {"pixel_values": self._pixels(samples), "labels": labels}

    def loss(self, batch: Batch) -> Tensor:
        logits = self._model(pixel_values=batch["pixel_values"]).logits
        return nn.functional.cross_entropy(logits.float(), batch["labels"])

    @torch.no_grad()
    def classify(self, samples: Sequence[Sample]) -> Tensor:
        logits: Tensor = self._model(pixel_values=self._pixels(samples), **self._positions).logits
        return logits.float()


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
        return ViT(module, processor=load_image_processor(folder, spec))


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [ViTFamily]
