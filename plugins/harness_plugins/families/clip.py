"""CLIP and SigLIP: a vision and a text tower whose embeddings are compared.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021
(arXiv:2103.00020), and Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023
(arXiv:2303.15343), as ``CLIPModel`` and ``SiglipModel`` of transformers. Prunable are the linear
layers of the blocks of both towers; embeddings, projections and SigLIP's pooling head are not.

A contrastive loss compares the pairs of a batch: with one pair in it CLIP's is zero.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, normalize

from harness.plugin import Batch, ModelFamily, ModelSpec, Sample, Tower, hookimpl
from harness_plugins.images import load_image_processor
from harness_plugins.loaded import Resizing
from harness_plugins.pretrained import blocks_at, load_tokenizer, load_transformer, target_text


class Clip(Resizing):
    """A loaded CLIP; its calibration loss is the symmetric cross-entropy over the batch."""

    def __init__(self, module: Any, *, tokenizer: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        self._length: int = module.config.text_config.max_position_embeddings
        self.towers = [
            Tower(name="vision", blocks=blocks_at(module, "vision_model.encoder.layers")),
            Tower(name="language-encoder", blocks=blocks_at(module, "text_model.encoder.layers")),
        ]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        texts = self._texts([target_text(sample) for sample in samples])
        return {"pixel_values": self._pixels(samples), **texts}

    def _texts(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Token ids and which of them are words, both (texts, tokens)."""
        return self._padded(self._token_rows(texts), self._tokenizer.pad_token_id)

    def _token_rows(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._cut_ids(text, self._length) for text in texts]

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"language-encoder": batch["attention_mask"].bool()}

    def loss(self, batch: Batch) -> Tensor:
        logits: Tensor = self._model(**batch).logits_per_text.float()
        pairs = torch.arange(len(logits), device=logits.device)
        return (cross_entropy(logits, pairs) + cross_entropy(logits.t(), pairs)) / 2

    @torch.no_grad()
    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        """(samples, 1, dim), float32, unit length."""
        pixels = self._pixels(samples)
        features = self._model.get_image_features(pixel_values=pixels, **self._positions)
        return normalize(features.pooler_output.float(), dim=-1).unsqueeze(1)

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """(texts, dim), float32, unit length."""
        features = self._model.get_text_features(**self._texts(texts))
        return normalize(features.pooler_output.float(), dim=-1)


class Siglip(Clip):
    """A loaded SigLIP; every pair of the batch is right or wrong by itself.

    Its text tower was trained on texts padded to their full length, and reads the padding.
    """

    _beside_patches = 0

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        return super().tokens_read(self._length, image)

    def _texts(self, texts: Sequence[str]) -> dict[str, Tensor]:
        padding = [self._tokenizer.pad_token_id] * self._length
        rows = [[*row, *padding[len(row) :]] for row in self._token_rows(texts)]
        return {"input_ids": torch.tensor(rows, device=self.device)}

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {}

    def loss(self, batch: Batch) -> Tensor:
        logits: Tensor = self._model(**batch).logits_per_text.float()
        signs = 2 * torch.eye(len(logits), device=logits.device) - 1
        return -logsigmoid(signs * logits).sum(dim=1).mean()


class ClipFamily:
    """``CLIPModel`` and ``SiglipModel`` of any size."""

    name: ClassVar[str] = "clip"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return bool({"CLIPModel", "SiglipModel"} & set(config.get("architectures") or ()))

    def load(self, folder: str, spec: ModelSpec) -> Clip:
        module = load_transformer(folder, spec)
        kind = Siglip if module.config.model_type == "siglip" else Clip
        return kind(
            module,
            tokenizer=load_tokenizer(folder, spec),
            processor=load_image_processor(folder, spec),
        )


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [ClipFamily]
