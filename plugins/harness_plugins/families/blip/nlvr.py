"""``BlipForNlvr``: whether a text is true of two images (NLVR2)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.plugin import (
    Batch,
    InputError,
    Sample,
    Tower,
    check_finite,
    read_image,
    read_shown,
)
from harness_plugins.families.blip.towers import Blip, vision_tower
from harness_plugins.pretrained import blocks_at

CROSS = frozenset(
    f"crossattention.self{side}.{layer}" for side in (0, 1) for layer in ("key", "value")
)


class BlipJudge(Blip):
    """Its two classes are LAVIS's: 0 = false, 1 = true."""

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
        labels = torch.tensor([_label(sample) for sample in samples], device=self.device)
        return {**self._inputs(samples), "labels": labels}

    def _inputs(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        texts = [self._grounded(self._ids(sample.prompt)) for sample in samples]
        lefts, rights = zip(*map(_pair, samples), strict=True)
        return {
            **self._padded(texts, self._text.pad_token_id),
            "pixel_values": self._named([*samples, *samples], [*lefts, *rights]),
        }

    def loss(self, batch: Batch) -> Tensor:
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        return cross_entropy(self._model(**inputs).float(), batch["labels"])

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        read = super().tokens_read(text, image)
        return {**read, "vision": 2 * read["vision"]}

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"language-encoder": batch["attention_mask"].bool()}

    @torch.no_grad()
    def judge(self, samples: Sequence[Sample]) -> list[bool]:
        """Whether each prompt is true of its two images."""
        best = self._model(**self._inputs(samples), **self._positions).max(dim=1)
        check_finite(best.values, samples)
        return [bool(verdict) for verdict in best.indices]


def _label(sample: Sample) -> int:
    if sample.target not in ("yes", "no"):
        raise InputError(
            f"calibration sample {sample.id} has target {sample.target!r}, not yes or no; "
            f'nlvr2-train=DIR gives some, with prompt="{{}}"'
        )
    return int(sample.target == "yes")


def _pair(sample: Sample) -> tuple[Image, Image]:
    """The left and the right image."""
    if sample.second_image is None:
        raise InputError(f"sample {sample.id} has no second image, and the model needs two")
    left = dataclasses.replace(sample, second_image=None)
    return read_shown(left), read_image(sample.second_image)
