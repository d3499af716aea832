"""``Blip2ForImageTextRetrieval``: the Q-Former embeds images and texts and matches pairs.

Prunable are the linear layers of the vision blocks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from harness.plugin import Sample
from harness_plugins.matching import Matcher
from harness_plugins.qformer import bridge_tower, vision_tower


class Blip2Retriever(Matcher):
    """Finds texts for images and images for texts."""

    def __init__(self, module: Any, *, tokenizer: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        self.towers = [vision_tower(module), bridge_tower(module)]

    def prunable(self, name: str) -> bool:
        return name.startswith("vision_model.")

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        read, queries = super().tokens_read(text, image), self._model.query_tokens.shape[1]
        return {**read, "bridge": queries + read["bridge"]}

    def _image_states(self, pixels: Tensor) -> Tensor:
        seen: Tensor = self._model.vision_model(
            pixel_values=pixels, **self._positions
        ).last_hidden_state
        return seen

    def _pair_logits(self, states: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        queries = self._model.query_tokens.expand(len(states), -1, -1)
        count = queries.shape[1]
        every_query = torch.ones_like(queries[..., 0], dtype=attention_mask.dtype)
        read = self._model.qformer(
            query_embeds=self._model.embeddings(input_ids=input_ids, query_embeds=queries),
            query_length=count,
            attention_mask=torch.cat([every_query, attention_mask], dim=1),
            encoder_hidden_states=states,
        ).last_hidden_state[:, :count]
        head = self._model.itm_head
        logits: Tensor = head(read.to(head.weight.dtype)).mean(dim=1)
        return logits

    @torch.no_grad()
    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        """(samples, queries, dim), float32, unit length."""
        states = self._image_states(self._pixels(samples))
        queries = self._model.query_tokens.expand(len(states), -1, -1)
        read = self._model.qformer(query_embeds=queries, encoder_hidden_states=states)
        return self._projected(self._model.vision_projection, read.last_hidden_state)

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """(texts, dim), float32, unit length."""
        inputs = self._texts([self._text_ids(text) for text in texts])
        read = self._model.qformer(
            query_embeds=self._model.embeddings(input_ids=inputs["input_ids"]),
            query_length=0,
            attention_mask=inputs["attention_mask"],
        )
        return self._projected(self._model.text_projection, read.last_hidden_state[:, 0])

    @staticmethod
    def _projected(projection: Any, states: Tensor) -> Tensor:
        return normalize(projection(states.to(projection.weight.dtype)).float(), dim=-1)
