"""Language models, alone or behind an image: their towers, and how they are prompted."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from harness.plugin import Batch, Generation, Sample, Tower
from harness_plugins.loaded import Pretrained
from harness_plugins.pretrained import blocks_at, generation_arguments, pad, target_text

IGNORED = -100
#: Where decoder-only models keep their blocks.
BLOCKS = (
    "model.layers",
    "layers",
    "transformer.h",
    "model.decoder.layers",
    "decoder.layers",
    "gpt_neox.layers",
)


def language_towers(module: nn.Module, path: str = "") -> list[Tower]:
    """Encoder and decoder of a T5, or the one tower of a decoder-only model.

    Args:
        path: Where in the module the language model is.
    """
    found: Any = module.get_submodule(path)
    under = f"{path}." if path else ""
    if not found.config.is_encoder_decoder:
        blocks = blocks_at(module, *(under + place for place in BLOCKS))
        return [Tower(name="language-decoder", blocks=blocks)]
    return [
        Tower(name="language-encoder", blocks=blocks_at(module, f"{under}encoder.block")),
        Tower(
            name="language-decoder",
            blocks=blocks_at(module, f"{under}decoder.block"),
            cross_stream="language-encoder",
            cross_roles=frozenset({"layer.1.EncDecAttention.k", "layer.1.EncDecAttention.v"}),
        ),
    ]


class Prompted(Pretrained):
    """A model that is given a prompt, with or without an image, and says a text.

    Its calibration loss is the cross-entropy of the target after the prompt. An encoder reads the
    prompt; a decoder without one goes on from it.
    """

    #: Whether an encoder reads the prompt.
    _encodes: bool

    def _prompt_ids(self, prompt: str) -> list[int]:
        return self._ids(prompt)

    def _target_ids(self, target: str) -> list[int]:
        if self._encodes:
            return self._ids(target)
        return [*self._ids(" " + target, special=False), self._tokenizer.eos_token_id]

    def _beside(self, samples: Sequence[Sample], prompts: Sequence[list[int]]) -> dict[str, Any]:
        """What the model takes besides token ids and their mask: nothing, or images."""
        return {}

    def _pairs(self, samples: Sequence[Sample]) -> tuple[list[list[int]], list[list[int]]]:
        """Token ids of prompts and of targets."""
        prompts = [self._prompt_ids(sample.prompt) for sample in samples]
        return prompts, [self._target_ids(target_text(sample)) for sample in samples]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        prompts, targets = self._pairs(samples)
        ids, labels = prompts, targets
        if not self._encodes:
            pairs = list(zip(prompts, targets, strict=True))
            ids = [prompt + target for prompt, target in pairs]
            labels = [[IGNORED] * len(prompt) + target for prompt, target in pairs]
        return {
            **self._padded(ids, self._padding),
            **self._beside(samples, ids),
            "labels": pad(labels, IGNORED, self.device),
        }

    @property
    def _padding(self) -> int:
        """The token that pads; masked, so that any does where the tokenizer names none."""
        return self._tokenizer.pad_token_id or 0

    def loss(self, batch: Batch) -> Tensor:
        loss: Tensor = self._model(**batch, use_cache=False).loss
        return loss.float()

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        read = batch["attention_mask"].bool()
        if not self._encodes:
            return {"language-decoder": read}
        return {"language-encoder": read, "language-decoder": batch["labels"] != IGNORED}

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        prompts = [self._prompt_ids(sample.prompt) for sample in samples]
        inputs = self._padded(prompts, self._padding, left=not self._encodes)
        made = self._model.generate(
            **self._beside(samples, prompts), **inputs, **generation_arguments(generation)
        )
        length = inputs["input_ids"].shape[1]
        if not self._encodes and made.shape[1] > length:
            made = made[:, length:]
        texts = self._tokenizer.batch_decode(made, skip_special_tokens=True)
        return [text.strip() for text in texts]
