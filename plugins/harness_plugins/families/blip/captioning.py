"""``BlipForConditionalGeneration``: the text decoder goes on from the prompt."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.plugin import Batch, Generation, Sample
from harness_plugins.families.blip.towers import IGNORED, Blip, decoded, text_tower, vision_tower
from harness_plugins.pretrained import generation_arguments, pad, target_text


class BlipCaptioner(Blip):
    """Describes images; the prompt is the beginning of the caption."""

    def __init__(self, module: Any, *, tokenizer: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        self.towers = [
            vision_tower(module),
            text_tower(
                module, "language-decoder", "text_decoder.bert.encoder.layer", reads="vision"
            ),
        ]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        prompts = [self._prompt_ids(sample) for sample in samples]
        targets = [
            [*self._ids(target_text(s), special=False), self._text.sep_token_id] for s in samples
        ]
        pairs = list(zip(prompts, targets, strict=True))
        labels = [[IGNORED] * len(prompt) + target for prompt, target in pairs]
        return {
            "pixel_values": self._pixels(samples),
            **self._padded([p + t for p, t in pairs], self._text.pad_token_id),
            "labels": pad(labels, IGNORED, self.device),
        }

    def _prompt_ids(self, sample: Sample) -> list[int]:
        return [self._text.bos_token_id, *self._ids(sample.prompt, special=False)]

    def loss(self, batch: Batch) -> Tensor:
        loss: Tensor = self._model(**batch).loss
        return loss.float()

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"language-decoder": batch["attention_mask"].bool()}

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        # The model's generate overwrites the first id with [DEC] and drops the last one.
        ids = [[*self._prompt_ids(sample), self._text.sep_token_id] for sample in samples]

        def run(rows: list[int], batch_ids: Tensor) -> Tensor:
            made: Tensor = self._model.generate(
                pixel_values=self._pixels([samples[row] for row in rows]),
                input_ids=batch_ids,
                attention_mask=torch.ones_like(batch_ids),
                **self._positions,
                **generation_arguments(generation),
            )
            return made[:, batch_ids.shape[1] - 1 :]

        return decoded(ids, run, self._tokenizer, self.device)
