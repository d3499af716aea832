"""InstructBLIP: a BLIP-2 whose Q-Former reads the instruction as well.

Dai et al., "InstructBLIP: Towards General-purpose Vision-Language Models with Instruction Tuning",
NeurIPS 2023 (arXiv:2305.06500), as ``InstructBlipForConditionalGeneration`` of transformers.
Prunable are the linear layers of the vision and language blocks, as for BLIP-2.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import ModelFamily, ModelSpec, Sample, hookimpl
from harness_plugins.identity_files import tokenizer_text
from harness_plugins.images import load_image_processor
from harness_plugins.language import Prompted, language_towers
from harness_plugins.loaded import Resizing
from harness_plugins.pretrained import load_tokenizer, load_transformer
from harness_plugins.qformer import bridge_tower, vision_tower

#: Folder of the Q-Former's own tokenizer.
QFORMER = "qformer_tokenizer"


class InstructBlip(Prompted, Resizing):
    """A loaded InstructBLIP; image tokens stand before the prompt."""

    def __init__(self, module: Any, *, tokenizer: Any, instructions: Any, processor: Any) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        self._instructions = instructions
        self._encodes = bool(module.language_model.config.is_encoder_decoder)
        self._image_tokens = [module.config.image_token_index] * module.config.num_query_tokens
        self.towers = [
            vision_tower(module),
            bridge_tower(module),
            *language_towers(module, "language_model"),
        ]

    def prunable(self, name: str) -> bool:
        return name.startswith(("vision_model.", "language_model."))

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        """The Q-Former reads the instruction beside its queries."""
        return {**super().tokens_read(text, image), "bridge": len(self._image_tokens) + text}

    def _tokens_of_image(self, image: tuple[int, int]) -> int:
        return len(self._image_tokens)

    def _prompt_ids(self, prompt: str) -> list[int]:
        return [*self._image_tokens, *self._ids(prompt)]

    def _read(self, samples: Sequence[Sample]) -> tuple[list[list[int]], dict[str, Any]]:
        read = [list(self._instructions(sample.prompt).input_ids) for sample in samples]
        asked = self._padded(read, self._instructions.pad_token_id)
        return [self._prompt_ids(sample.prompt) for sample in samples], {
            **{f"qformer_{name}": tensor for name, tensor in asked.items()},
            "pixel_values": self._pixels(samples),
            **self._positions,
        }

    def files(self) -> Mapping[str, str]:
        return {**super().files(), QFORMER: tokenizer_text(self._instructions)}

    def save(self, folder: Path) -> None:
        super().save(folder)
        self._instructions.save_pretrained(folder / QFORMER)


class InstructBlipFamily:
    """Any size of ``InstructBlipForConditionalGeneration``."""

    name: ClassVar[str] = "instructblip"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return "InstructBlipForConditionalGeneration" in (config.get("architectures") or ())

    def load(self, folder: str, spec: ModelSpec) -> InstructBlip:
        return InstructBlip(
            load_transformer(folder, spec),
            tokenizer=load_tokenizer(folder, spec),
            instructions=load_tokenizer(folder, spec, subfolder=QFORMER, section="qformer_config"),
            processor=load_image_processor(folder, spec),
        )


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [InstructBlipFamily]
