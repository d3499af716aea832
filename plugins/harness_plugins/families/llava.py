"""LLaVA: a CLIP vision tower whose patches a language model reads as tokens.

Liu et al., "Visual Instruction Tuning", NeurIPS 2023 (arXiv:2304.08485), as
``LlavaForConditionalGeneration`` of transformers. Prunable are the linear layers of the vision and
language blocks; the projector, embeddings and the head are not.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from harness.plugin import LoadedModel, ModelFamily, ModelSpec, Tower, hookimpl
from harness_plugins.language import language_towers
from harness_plugins.pretrained import blocks_at
from harness_plugins.vision_chat import VisionChat, load_chat

VISION = ("model.vision_tower.encoder.layers", "model.vision_tower.vision_model.encoder.layers")


class Llava(VisionChat):
    """A loaded LLaVA."""

    plain_turn = "USER: {image}\n{prompt} ASSISTANT:"

    def __init__(self, module: Any, **parts: Any) -> None:
        super().__init__(module, **parts)
        vision = Tower(name="vision", blocks=blocks_at(module, *VISION))
        self.towers = [vision, *language_towers(module, "model.language_model")]

    def _count_patches(self, image: Mapping[str, Any]) -> int:
        height, width = image["pixel_values"].shape[-2:]
        patch = self._model.config.vision_config.patch_size
        return int(height // patch) * int(width // patch) + 1

    def _count_tokens(self, image: Mapping[str, Any]) -> int:
        """All of the vision tower's, or all but the class's."""
        with_class = self._model.config.vision_feature_select_strategy == "full"
        return self._count_patches(image) - (not with_class)


class LlavaFamily:
    """Any size of ``LlavaForConditionalGeneration``."""

    name: ClassVar[str] = "llava"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return "LlavaForConditionalGeneration" in (config.get("architectures") or ())

    def load(self, folder: str, spec: ModelSpec) -> LoadedModel:
        return load_chat(Llava, folder, spec)


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [LlavaFamily]
