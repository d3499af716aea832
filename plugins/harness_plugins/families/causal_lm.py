"""Causal language models: Llama and its like, GPT-2, OPT, GPT-NeoX, by transformers' AutoModel.

Prunable are the linear layers of the blocks; embeddings and the head are not. Nor is the
cross-attention of a decoder that was taken from its encoder (BART, Marian, Whisper …), which never
runs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.plugin import Batch, InputError, ModelFamily, ModelSpec, Sample, hookimpl
from harness_plugins.adapters import why_not_merged
from harness_plugins.language import BLOCKS, language_towers
from harness_plugins.loaded import Pretrained
from harness_plugins.pretrained import load_tokenizer, load_transformer, target_text

#: What transformers' decoders call the attention to an encoder.
CROSS_ATTENTION = frozenset({"encoder_attn", "crossattention", "cross_attn"})


class CausalLM(Pretrained):
    """A loaded language model; its calibration loss is the next-token cross-entropy."""

    places: ClassVar[Sequence[str]] = BLOCKS
    """Where its blocks may be."""

    def __init__(self, module: Any, *, tokenizer: Any) -> None:
        super().__init__(module, tokenizer=tokenizer)
        self.tokenizer = tokenizer
        self.towers = language_towers(module, places=self.places)

    def prunable(self, name: str) -> bool:
        return CROSS_ATTENTION.isdisjoint(name.split("."))

    @property
    def context(self) -> int:
        """Without a number in its config, as many tokens as there are."""
        return self._longest

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        return self._ids(text, special=special)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        rows = [sample.tokens or tuple(self.encode(target_text(sample))) for sample in samples]
        if any(len(row) < 2 for row in rows):
            raise InputError("a calibration text has fewer than two tokens; nothing to predict")
        return self._padded(rows, 0)

    def loss(self, batch: Batch) -> Tensor:
        losses, counts = self._losses(batch)
        return losses.sum() / counts.sum()

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Summed loss and number of predicted tokens per row, both (batch,)."""
        logits = self._model(**batch, use_cache=False).logits[:, :-1].float()
        mask = batch["attention_mask"][:, 1:]
        losses = nn.functional.cross_entropy(
            logits.transpose(1, 2), batch["input_ids"][:, 1:], reduction="none"
        )
        return (losses * mask).sum(dim=1), mask.sum(dim=1)

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"language-decoder": batch["attention_mask"].bool()}

    @torch.no_grad()
    def token_losses(self, samples: Sequence[Sample]) -> list[float]:
        losses, counts = self._losses(self.collate(samples))
        means: list[float] = (losses.double() / counts).tolist()
        return means


class CausalLMFamily:
    """Any ``…ForCausalLM`` or ``…LMHeadModel`` with its blocks in a known place."""

    name: ClassVar[str] = "causal-lm"

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        return {"folders with adapters": why} if (why := why_not_merged()) else {}

    def matches(self, config: Mapping[str, Any]) -> bool:
        names = config.get("architectures") or ()
        return any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names)

    def load(self, folder: str, spec: ModelSpec) -> CausalLM:
        module = load_transformer(folder, spec)
        return CausalLM(module, tokenizer=load_tokenizer(folder, spec))


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [CausalLMFamily]
