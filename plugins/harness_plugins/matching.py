"""Models that embed images and texts and also read them together: the heads of BLIP and BLIP-2."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.plugin import Batch, Sample
from harness_plugins.images import distinct_images
from harness_plugins.loaded import Resizing
from harness_plugins.pretrained import target_text

#: Tokens of a text, the first and the last special; LAVIS compares images with so many.
TEXT_TOKENS = 35


class Matcher(Resizing, ABC):
    """Scores pairs of image and text; its calibration loss is the matching head's cross-entropy.

    Each image of a batch stands with its own text, which fits, and with that of the next sample,
    which does not. Papers and released code sample hard negatives instead; here the loss is a
    function of the batch. A batch of one holds only the pair that fits.
    """

    @abstractmethod
    def _image_states(self, pixels: Tensor) -> Tensor:
        """What the vision tower makes of images, (images, tokens, width)."""

    @abstractmethod
    def _pair_logits(self, states: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (pairs, 2) of "does not fit" and "fits"."""

    def _pair_ids(self, text: str) -> list[int]:
        """Token ids of a text that is read beside an image."""
        return self._text_ids(text)

    def _text_ids(self, text: str) -> list[int]:
        return self._cut_ids(text, TEXT_TOKENS)

    def _texts(self, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        return self._padded(rows, self._tokenizer.pad_token_id)

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        return super().tokens_read(min(text, TEXT_TOKENS), image)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        rows = [self._pair_ids(target_text(sample)) for sample in samples]
        count = len(samples)
        wrong = [rows[(i + 1) % count] for i in range(count)] if count > 1 else []
        fits = [1] * count + [0] * len(wrong)
        return {
            "pixel_values": self._pixels(samples),
            **self._texts([*rows, *wrong]),
            "labels": torch.tensor(fits, device=self.device),
        }

    def loss(self, batch: Batch) -> Tensor:
        states, labels = self._image_states(batch["pixel_values"]), batch["labels"]
        images = torch.arange(len(labels), device=labels.device) % len(states)
        logits = self._pair_logits(states[images], batch["input_ids"], batch["attention_mask"])
        return cross_entropy(logits.float(), labels)

    @torch.no_grad()
    def match(self, samples: Sequence[Sample]) -> Tensor:
        """Logit of "fits" per sample (samples,), float32; an image of several is seen once."""
        shown, places = distinct_images(samples)
        states = self._image_states(self._pixels(shown))
        texts = self._texts([self._pair_ids(sample.prompt) for sample in samples])
        return self._pair_logits(states[places], **texts)[:, 1].float()
