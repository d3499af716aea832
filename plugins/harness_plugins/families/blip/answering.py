"""``BlipForQuestionAnswering``: a text encoder reads the question, a decoder answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.plugin import Batch, Generation, Sample, check_finite
from harness_plugins.families.blip.towers import IGNORED, Blip, decoded, text_tower, vision_tower
from harness_plugins.finite_steps import finite_steps
from harness_plugins.pretrained import generation_arguments, pad, target_text

#: Of the labels by which BLIP's authors rank answers, whatever the config trains with.
SMOOTHING = 0.1


class BlipAnswerer(Blip):
    """Answers in its own words, or with the likeliest of given answers."""

    def __init__(self, module: Any, *, tokenizer: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        encoder, decoder = "text_encoder.encoder.layer", "text_decoder.bert.encoder.layer"
        self.towers = [
            vision_tower(module),
            text_tower(module, "language-encoder", encoder, reads="vision"),
            text_tower(module, "language-decoder", decoder, reads="language-encoder"),
        ]
        for _, block in self.towers[-1].blocks:
            attention = block.get_submodule("crossattention.self")
            attention.register_forward_pre_hook(_mask_the_question, with_kwargs=True)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        answers = [self._answer_ids(target_text(sample)) for sample in samples]
        labels = [[IGNORED, *answer[1:]] for answer in answers]
        decoder = self._padded(answers, self._text.pad_token_id)
        return {
            "pixel_values": self._pixels(samples),
            **self._padded(self._question_ids(samples), self._text.pad_token_id),
            **{f"decoder_{name}": tensor for name, tensor in decoder.items()},
            "labels": pad(labels, IGNORED, self.device),
        }

    def _question_ids(self, samples: Sequence[Sample]) -> list[list[int]]:
        return [self._grounded(self._ids(sample.prompt)) for sample in samples]

    def _answer_ids(self, answer: str) -> list[int]:
        words = self._ids(answer, special=False)
        return [self._text.bos_token_id, *words, self._text.sep_token_id]

    def loss(self, batch: Batch) -> Tensor:
        loss: Tensor = self._model(**batch).loss
        return loss.float()

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {
            "language-encoder": batch["attention_mask"].bool(),
            "language-decoder": batch["decoder_attention_mask"].bool(),
        }

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        def run(rows: list[int], batch_ids: Tensor) -> Tensor:
            asked = [samples[row] for row in rows]
            with finite_steps(asked) as watch:
                made: Tensor = self._model.generate(
                    pixel_values=self._pixels(asked),
                    input_ids=batch_ids,
                    attention_mask=torch.ones_like(batch_ids),
                    **watch,
                    **self._positions,
                    **generation_arguments(generation),
                )
            return made

        return decoded(self._question_ids(samples), run, self._tokenizer, self.device)

    @torch.no_grad()
    def rank(self, samples: Sequence[Sample], answers: Sequence[str], *, tried: int) -> list[str]:
        """The likeliest answer per sample, as BLIP's authors evaluate.

        Args:
            answers: All that may be answered.
            tried: So many of them, those with the likeliest first tokens, are read to their end.
        """
        questions = self._padded(self._question_ids(samples), self._text.pad_token_id)
        states = self._question_states(self._pixels(samples), **questions)
        known = self._padded([self._answer_ids(a) for a in answers], self._text.pad_token_id)
        start = known["input_ids"][:1, :1].expand(len(samples), 1)
        first = self._model.text_decoder(
            input_ids=start,
            encoder_hidden_states=states,
            encoder_attention_mask=questions["attention_mask"],
        ).logits[:, 0]
        likely = first.float().softmax(dim=1)[:, known["input_ids"][:, 1]]
        chosen = likely.topk(min(tried, len(answers)), dim=1).indices
        losses = [
            self._answer_losses(
                states[row : row + 1],
                questions["attention_mask"][row : row + 1],
                {name: tensor[indices] for name, tensor in known.items()},
            )
            for row, indices in enumerate(chosen)
        ]
        best = torch.stack(losses).min(dim=1, keepdim=True)
        check_finite(best.values, samples)
        return [answers[index] for index in chosen.gather(1, best.indices).squeeze(1).tolist()]

    def _question_states(self, pixels: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        seen = self._model.vision_model(pixel_values=pixels, **self._positions).last_hidden_state
        states: Tensor = self._model.text_encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones_like(seen[..., 0], dtype=torch.long),
        ).last_hidden_state
        return states

    def _answer_losses(self, states: Tensor, mask: Tensor, answers: Mapping[str, Tensor]) -> Tensor:
        """Smoothed loss of each answer to one question, summed over its tokens (answers,)."""
        count = len(answers["input_ids"])
        logits = self._model.text_decoder(
            **answers,
            encoder_hidden_states=states.expand(count, -1, -1),
            encoder_attention_mask=mask.expand(count, -1),
        ).logits[:, :-1]
        labels = answers["input_ids"].masked_fill(answers["attention_mask"] == 0, IGNORED)[:, 1:]
        losses = cross_entropy(
            logits.float().transpose(1, 2), labels, reduction="none", label_smoothing=SMOOTHING
        )
        return losses.sum(dim=1)


def _mask_the_question(
    _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give cross-attention the mask it was called with.

    transformers 5.23 passes it as ``attention_mask``, which cross-attention then drops: padding of
    a shorter question would be read like words.
    """
    if kwargs.get("encoder_attention_mask") is None:
        kwargs = {**kwargs, "encoder_attention_mask": kwargs.get("attention_mask")}
    return args, kwargs
