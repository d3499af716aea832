"""Qwen2-VL and Qwen2.5-VL: images of any size, as many tokens as they need.

Wang et al., "Qwen2-VL: Enhancing Vision-Language Model's Perception of the World at Any
Resolution" (arXiv:2409.12191) and Bai et al., "Qwen2.5-VL Technical Report" (arXiv:2502.13923), as
transformers has them. Prunable are the linear layers of the vision and language blocks; the patch
merger, embeddings and the head are not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.plugin import LoadedModel, ModelFamily, ModelSpec, Tower, hookimpl
from harness_plugins.language import language_towers
from harness_plugins.pretrained import blocks_at
from harness_plugins.vision_chat import VisionChat, load_chat

ARCHITECTURES = {"Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"}


class Qwen2VL(VisionChat):
    """A loaded Qwen2-VL."""

    plain_turn = (
        "<|im_start|>user\n<|vision_start|>{image}<|vision_end|>{prompt}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )

    def __init__(self, module: Any, **parts: Any) -> None:
        super().__init__(module, **parts)
        vision = Tower(name="vision", blocks=blocks_at(module, "model.visual.blocks"))
        self.towers = [vision, *language_towers(module, "model.language_model")]

    def _count_patches(self, image: Mapping[str, Any]) -> int:
        return int(image["image_grid_thw"].prod())

    def _count_tokens(self, image: Mapping[str, Any]) -> int:
        return self._count_patches(image) // int(self._processor.merge_size) ** 2

    def _batch(
        self, rows: Sequence[Sequence[int]], beside: Mapping[str, Any], *, left: bool = False
    ) -> dict[str, Any]:
        inputs = super()._batch(rows, beside, left=left)
        return {**inputs, "mm_token_type_ids": (inputs["input_ids"] == self._image_id).int()}


class Qwen2VLFamily:
    """Qwen2-VL and Qwen2.5-VL of any size."""

    name: ClassVar[str] = "qwen2-vl"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return bool(ARCHITECTURES & set(config.get("architectures") or ()))

    def load(self, folder: str, spec: ModelSpec) -> LoadedModel:
        return load_chat(Qwen2VL, folder, spec)


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [Qwen2VLFamily]
