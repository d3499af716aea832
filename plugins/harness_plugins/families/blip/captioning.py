"""``BlipForConditionalGeneration``: the text decoder goes on from the prompt."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.plugin import Batch, Generation, Sample
from harness_plugins.families.blip.towers import IGNORED, Blip, decoded, text_tower, vision_tower
from harness_plugins.finite_steps import finite_steps
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
        """As BLIP's authors generate: the prompt counts in the length that beams are divided by.

        transformers divides by what follows the prompt. So nothing but [DEC] is the prompt here,
        and the words are the only ones allowed where they stand.
        """
        prompts = [self._prompt_ids(sample)[1:] for sample in samples]

        def run(rows: list[int], words: Tensor) -> Tensor:
            # The model's generate overwrites the first id with [DEC] and drops the last one.
            start = torch.full((len(rows), 2), self._text.sep_token_id, device=self.device)
            lengths = {"max_new_tokens": words.shape[1] + generation.max_new_tokens}
            asked = [samples[row] for row in rows]
            prompt = _only(words.repeat_interleave(generation.num_beams, dim=0))
            with finite_steps(asked) as watch:
                made: Tensor = self._model.generate(
                    pixel_values=self._pixels(asked),
                    input_ids=start,
                    attention_mask=torch.ones_like(start),
                    logits_processor=[*watch["logits_processor"], prompt],
                    **self._positions,
                    **generation_arguments(generation) | lengths,
                )
            return made[:, 1 + words.shape[1] :]

        return decoded(prompts, run, self._tokenizer, self.device)


def _only(words: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Of the log-probabilities of next tokens, those of the words (rows, seq), which cost nothing.

    Behind the words all tokens are free.
    """

    def processed(ids: Tensor, scores: Tensor) -> Tensor:
        place = ids.shape[1] - 1
        if place >= words.shape[1]:
            return scores
        allowed = torch.full_like(scores, -torch.inf)
        return allowed.scatter(1, words[:, place : place + 1], 0.0)

    return processed
