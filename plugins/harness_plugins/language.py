"""Language models, alone or behind an image: their towers, and how they are prompted."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from harness.plugin import Batch, Generation, Sample, Tower
from harness_plugins.beams import beams_together
from harness_plugins.finite_steps import finite_steps
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


def language_towers(
    module: nn.Module, path: str = "", places: Sequence[str] = BLOCKS
) -> list[Tower]:
    """Encoder and decoder of a T5, or the one tower of a decoder-only model.

    Args:
        path: Where in the module the language model is.
        places: Where in the language model a decoder's blocks may be.
    """
    found: Any = module.get_submodule(path)
    under = f"{path}." if path else ""
    if not getattr(found.config, "is_encoder_decoder", False):
        blocks = blocks_at(module, *(under + place for place in places))
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

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        """The image's tokens stand before the text where the prompt is read."""
        reader = "language-encoder" if self._encodes else "language-decoder"
        count = min(self._tokens_of_image(image) + text, self._longest)
        return {**super().tokens_read(text, image), reader: count}

    def _tokens_of_image(self, image: tuple[int, int]) -> int:
        """As how many tokens the language model reads an image of that width and height."""
        return 0

    def _prompt_ids(self, prompt: str) -> list[int]:
        return self._ids(prompt)

    def _target_ids(self, target: str) -> list[int]:
        if self._encodes:
            return self._ids(target)
        return [*self._ids(" " + target, special=False), self._tokenizer.eos_token_id]

    def _read(self, samples: Sequence[Sample]) -> tuple[list[list[int]], dict[str, Any]]:
        """Token ids of the prompts, and what the model takes besides: nothing, or images."""
        return [self._prompt_ids(sample.prompt) for sample in samples], {}

    def _batch(
        self, rows: Sequence[Sequence[int]], beside: Mapping[str, Any], *, left: bool = False
    ) -> dict[str, Any]:
        return {**self._padded(rows, self._padding, left=left), **beside}

    @property
    def _padding(self) -> int:
        """The token that pads; it is masked, so any will do where the tokenizer names none."""
        return self._tokenizer.pad_token_id or 0

    def collate(self, samples: Sequence[Sample]) -> Batch:
        prompts, beside = self._read(samples)
        targets = [self._target_ids(target_text(sample)) for sample in samples]
        return self._paired(prompts, targets, beside)

    def _paired(
        self, prompts: list[list[int]], targets: list[list[int]], beside: Mapping[str, Any]
    ) -> Batch:
        """What `loss` takes: the decoder's targets, or prompts and targets in one row."""
        ids, labels = prompts, targets
        if not self._encodes:
            pairs = list(zip(prompts, targets, strict=True))
            ids = [prompt + target for prompt, target in pairs]
            labels = [[IGNORED] * len(prompt) + target for prompt, target in pairs]
        return {**self._batch(ids, beside), "labels": pad(labels, IGNORED, self.device)}

    def loss(self, batch: Batch) -> Tensor:
        loss: Tensor = self._model(**batch, use_cache=False).loss
        return loss.float()

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        read = batch["attention_mask"].bool()
        if not self._encodes:
            return {"language-decoder": read}
        return {"language-encoder": read, "language-decoder": batch["labels"] != IGNORED}

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        return self._answers(samples, *self._read(samples), generation)

    def _answers(
        self,
        samples: Sequence[Sample],
        prompts: list[list[int]],
        beside: Mapping[str, Any],
        generation: Generation,
    ) -> list[str]:
        inputs = self._batch(prompts, beside, left=not self._encodes)
        together = beams_together(self.towers, generation.num_beams)
        with finite_steps(samples) as watch, together as cache:
            made = self._model.generate(
                **inputs, **watch, **cache, **generation_arguments(generation)
            )
        length = inputs["input_ids"].shape[1]
        if not self._encodes and made.shape[1] > length:
            made = made[:, length:]
        texts = self._tokenizer.batch_decode(made, skip_special_tokens=True)
        return [text.strip() for text in texts]
