"""Image classifiers: what they are asked and how they are calibrated."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.plugin import Batch, InputError, Sample
from harness_plugins.loaded import Seeing


class Classifier(Seeing):
    """Gives class logits; its calibration loss is the cross-entropy of the labels."""

    def collate(self, samples: Sequence[Sample]) -> Batch:
        labels = torch.tensor([self._label(sample) for sample in samples], device=self.device)
        return {"pixel_values": self._pixels(samples), "labels": labels}

    def loss(self, batch: Batch) -> Tensor:
        logits = self._model(pixel_values=batch["pixel_values"]).logits
        return cross_entropy(logits.float(), batch["labels"])

    @torch.no_grad()
    def classify(self, samples: Sequence[Sample]) -> Tensor:
        """Logits (samples, classes), float32."""
        logits: Tensor = self._model(pixel_values=self._pixels(samples), **self._positions).logits
        return logits.float()

    @property
    def class_names(self) -> list[str]:
        names: dict[int, str] = self._model.config.id2label
        return [names[logit] for logit in sorted(names)]

    def _label(self, sample: Sample) -> int:
        if not isinstance(sample.target, int):
            raise InputError(
                f"calibration sample {sample.id} has target {sample.target!r}, not a class index; "
                f"imagefolder=DIR gives some"
            )
        logits = len(self.class_names)
        if not 0 <= sample.target < logits:
            raise InputError(
                f"calibration sample {sample.id} is of class {sample.target}, the model has "
                f"{logits} logits; order=list of imagefolder numbers classes like its list"
            )
        return sample.target
