"""LLaVA: a CLIP or SigLIP vision tower whose patches a language model reads as tokens.

Liu et al., "Visual Instruction Tuning", NeurIPS 2023 (arXiv:2304.08485), as
``LlavaForConditionalGeneration`` of transformers. Prunable are the linear layers of the vision and
language blocks; the projector, embeddings and the head are not.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from harness.plugin import CheckpointError, LoadedModel, ModelFamily, ModelSpec, Tower, hookimpl
from harness_plugins.language import language_towers
from harness_plugins.pretrained import blocks_at
from harness_plugins.vision_chat import VisionChat, load_chat

VISION = ("model.vision_tower.encoder.layers", "model.vision_tower.vision_model.encoder.layers")


class Llava(VisionChat):
    """A loaded LLaVA, with a CLIP or a SigLIP as its vision tower."""

    plain_turn = "USER: {image}\n{prompt} ASSISTANT:"

    def __init__(self, module: Any, **parts: Any) -> None:
        super().__init__(module, **parts)
        vision = Tower(name="vision", blocks=blocks_at(module, *VISION))
        self.towers = [vision, *language_towers(module, "model.language_model")]
        names = [name for name, _ in module.model.vision_tower.named_parameters()]
        self._class_tokens: int = sum(name.endswith("class_embedding") for name in names)

    def _count_patches(self, image: Mapping[str, Any]) -> int:
        side: int = self._model.config.vision_config.patch_size
        return _patches(image, side) + self._class_tokens

    def _count_tokens(self, image: Mapping[str, Any]) -> int:
        """As its processor counts; what its settings leave unsaid, the model says."""
        config = self._model.config
        patches = _patches(image, self._said("patch_size", config.vision_config.patch_size))
        beside: int = self._said("num_additional_image_tokens", self._class_tokens)
        strategy = "vision_feature_select_strategy"
        return patches + beside - _drops_first(self._said(strategy, getattr(config, strategy)))

    def _said(self, setting: str, otherwise: Any) -> Any:
        said = self._settings.get(setting)
        return otherwise if said is None else said

    def refuse_folder(self, folder: str) -> None:
        super().refuse_folder(folder)
        side = self._model.config.vision_config.image_size
        image = self._prepared_blank((side, side))
        dropped = _drops_first(self._model.config.vision_feature_select_strategy)
        given, counted = self._count_patches(image) - dropped, self._count_tokens(image)
        if given != counted:
            raise CheckpointError(
                f"{folder}: its processor counts {counted} tokens an image, its model gives "
                f"{given}; see patch_size, num_additional_image_tokens and "
                f"vision_feature_select_strategy in processor_config.json"
            )


def _patches(image: Mapping[str, Any], side: int) -> int:
    height, width = image["pixel_values"].shape[-2:]
    return int(height // side) * int(width // side)


def _drops_first(strategy: str) -> bool:
    """Whether a strategy leaves out the tower's first token: the class's, or SigLIP's first."""
    return strategy == "default"


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
