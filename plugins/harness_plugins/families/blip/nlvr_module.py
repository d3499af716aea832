"""BLIP with two images per text, in transformers' names: transformers itself has no such head.

As LAVIS has it (lavis/models/blip_models/blip_nlvr.py and nlvr_encoder.py): one vision tower sees
both images, every text block has a cross-attention for each, and what these give is averaged, or
from a certain block on put together by a linear layer.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.blip.modeling_blip import BlipPreTrainedModel, BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel, BlipTextSelfAttention

#: First block that merges by a linear layer, of LAVIS's twelve.
MERGES_FROM = 6


class TwinOutput(nn.Module):
    """What two cross-attentions give, made one and added to what they were asked with."""

    def __init__(self, config: Any, *, merges: bool) -> None:
        super().__init__()
        width = config.hidden_size
        self.dense0, self.dense1 = nn.Linear(width, width), nn.Linear(width, width)
        self.merge_layer = nn.Linear(2 * width, width) if merges else None
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, first: Tensor, second: Tensor, asked: Tensor) -> Tensor:
        first, second = self.dense0(first), self.dense1(second)
        if self.merge_layer is None:
            merged = (first + second) / 2
        else:
            merged = self.merge_layer(torch.cat([first, second], dim=-1))
        normed: Tensor = self.LayerNorm(merged + asked)
        return normed


class TwinCrossAttention(nn.Module):
    """Cross-attention to two images, whose states lie one behind the other."""

    def __init__(self, config: Any, *, merges: bool) -> None:
        super().__init__()
        self.self0 = BlipTextSelfAttention(config, is_cross_attention=True)
        self.self1 = BlipTextSelfAttention(config, is_cross_attention=True)
        self.output = TwinOutput(config, merges=merges)

    def forward(
        self, hidden_states: Tensor, *, encoder_hidden_states: Tensor, **_: Any
    ) -> tuple[Tensor, None]:
        """Hidden states (batch, tokens, width), encoder's (batch, 2 x image tokens, width)."""
        images = encoder_hidden_states.chunk(2, dim=1)
        read = (
            attention(hidden_states, encoder_hidden_states=image)[0]
            for attention, image in zip((self.self0, self.self1), images, strict=True)
        )
        return self.output(*read, hidden_states), None


class BlipForNlvr(BlipPreTrainedModel):  # type: ignore[misc]
    """Says of a text and two images whether the text is true."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        text = config.text_config
        self.vision_model = BlipVisionModel(config.vision_config)
        self.text_encoder = BlipTextModel(text, add_pooling_layer=False)
        merges_from = getattr(text, "merges_from", MERGES_FROM)
        for index, layer in enumerate(self.text_encoder.encoder.layer):
            layer.crossattention = TwinCrossAttention(text, merges=index >= merges_from)
        self.cls_head = nn.Sequential(
            nn.Linear(text.hidden_size, text.hidden_size),
            nn.ReLU(),
            nn.Linear(text.hidden_size, config.num_labels),
        )
        self.post_init()

    def forward(
        self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor, **vision: Any
    ) -> Tensor:
        """Logits (texts, classes) from pixels (2 x texts, 3, height, width), left images first."""
        seen = self.vision_model(pixel_values=pixel_values, **vision).last_hidden_state
        read = self.text_encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=torch.cat(seen.chunk(2), dim=1),
        ).last_hidden_state
        logits: Tensor = self.cls_head(read[:, 0])
        return logits
