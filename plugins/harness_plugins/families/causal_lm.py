"""Causal language models: Llama and its like, GPT-2, OPT, GPT-NeoX, by transformers' AutoModel.

Prunable are the linear layers of the blocks; embeddings and the head are not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.plugin import Batch, InputError, ModelFamily, ModelSpec, Sample, Tower, hookimpl
from harness_plugins.pretrained import (
    blocks_at,
    identity_files,
    load_tokenizer,
    load_weights,
    pad,
    save_folder,
    target_text,
)

BLOCKS = ("model.layers", "transformer.h", "model.decoder.layers", "gpt_neox.layers")


class CausalLM:
    """A loaded language model; its calibration loss is the next-token cross-entropy."""

    def __init__(self, module: Any, tokenizer: Any) -> None:
        self.module: nn.Module = module
        self._model = module
        self.tokenizer = tokenizer
        blocks = blocks_at(self.module, *BLOCKS)
        self.towers: Sequence[Tower] = [Tower(name="language-decoder", blocks=blocks)]

    def prunable(self, name: str) -> bool:
        return True

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        device = next(self.module.parameters()).device
        rows = [sample.tokens or tuple(self.encode(target_text(sample))) for sample in samples]
        if any(len(row) < 2 for row in rows):
            raise InputError("a calibration text has fewer than two tokens; nothing to predict")
        return {
            "input_ids": pad(rows, 0, device),
            "attention_mask": pad([[1] * len(row) for row in rows], 0, device),
        }

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

    def files(self) -> Mapping[str, str]:
        return identity_files(self._model.config, self.tokenizer)

    def save(self, folder: Path) -> None:
        save_folder(folder, self._model, self.tokenizer)


class CausalLMFamily:
    """Any ``…ForCausalLM`` or ``…LMHeadModel`` with its blocks in a known place."""

    name: ClassVar[str] = "causal-lm"

    def matches(self, config: Mapping[str, Any]) -> bool:
        names = config.get("architectures") or ()
        return any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names)

    def load(self, folder: str, spec: ModelSpec) -> CausalLM:
        from transformers import AutoModelForCausalLM

        module = load_weights(AutoModelForCausalLM, folder, spec)
        return CausalLM(module, load_tokenizer(folder))


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [CausalLMFamily]
