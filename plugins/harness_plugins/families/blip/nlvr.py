"""``BlipForNlvr``: whether a text is true of two images (NLVR2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.plugin import Batch, Sample, Tower
from harness_plugins.classifying import class_index
from harness_plugins.families.blip.base import Blip, vision_tower
from harness_plugins.images import image_of, second_image_of
from harness_plugins.pretrained import blocks_at

CROSS = frozenset(
    f"crossattention.self{side}.{layer}" for side in (0, 1) for layer in ("key", "value")
)


class BlipPairClassifier(Blip):
    """Classes are those of NLVR2 in LAVIS: 0 = false, 1 = true."""

    def __init__(self, module: Any, *, tokenizer: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        text = Tower(
            name="language-encoder",
            blocks=blocks_at(module, "text_encoder.encoder.layer"),
            cross_stream="vision",
            cross_roles=CROSS,
        )
        self.towers = [vision_tower(module), text]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        labels = torch.tensor([class_index(sample) for sample in samples], device=self.device)
        return {**self._inputs(samples), "labels": labels}

    def _inputs(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        texts = [self._grounded(self._ids(sample.prompt)) for sample in samples]
        lefts, rights = map(image_of, samples), map(second_image_of, samples)
        return {
            **self._padded(texts, self._text.pad_token_id),
            "pixel_values": self._read_images([*lefts, *rights]),
        }

    def loss(self, batch: Batch) -> Tensor:
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        return cross_entropy(self._model(**inputs).float(), batch["labels"])

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"language-encoder": batch["attention_mask"].bool()}

    @torch.no_grad()
    def classify(self, samples: Sequence[Sample]) -> Tensor:
        """Logits (samples, classes), float32."""
        logits: Tensor = self._model(**self._inputs(samples), **self._positions)
        return logits.float()
