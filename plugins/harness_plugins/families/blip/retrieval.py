"""``BlipForImageTextRetrieval``: contrastive embeddings and a head that matches pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from harness.plugin import Batch, Sample
from harness_plugins.families.blip.towers import Blip, text_tower, vision_tower
from harness_plugins.matching import Matcher


class BlipRetriever(Blip, Matcher):
    """Finds texts for images and images for texts."""

    def __init__(self, module: Any, *, tokenizer: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        self.towers = [
            vision_tower(module),
            text_tower(module, "language-encoder", "text_encoder.encoder.layer", reads="vision"),
        ]

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"language-encoder": batch["attention_mask"].bool()}

    def _pair_ids(self, text: str) -> list[int]:
        return self._grounded(self._text_ids(text))

    def _image_states(self, pixels: Tensor) -> Tensor:
        seen: Tensor = self._model.vision_model(
            pixel_values=pixels, **self._positions
        ).last_hidden_state
        return seen

    def _pair_logits(self, states: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        read = self._model.text_encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=states,
            encoder_attention_mask=torch.ones_like(states[..., 0], dtype=torch.long),
        ).last_hidden_state
        logits: Tensor = self._model.itm_head(read[:, 0])
        return logits

    @torch.no_grad()
    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        """(samples, 1, dim), float32, unit length."""
        states = self._image_states(self._pixels(samples))
        return normalize(self._model.vision_proj(states[:, :1]).float(), dim=-1)

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """(texts, dim), float32, unit length."""
        inputs = self._texts([self._text_ids(text) for text in texts])
        states = self._model.text_encoder(**inputs).last_hidden_state
        return normalize(self._model.text_proj(states[:, 0]).float(), dim=-1)
