"""Vision transformers that classify: ViT and DeiT of transformers.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021 (arXiv:2010.11929); Touvron et al.,
"Training data-efficient image transformers", ICML 2021 (arXiv:2012.12877). Prunable are the linear
layers of the blocks; the patch embedding and the classifier are not.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from harness.plugin import ModelFamily, ModelSpec, Tower, hookimpl
from harness_plugins.classifying import Classifier
from harness_plugins.images import load_image_processor
from harness_plugins.loaded import Resizing
from harness_plugins.pretrained import blocks_at, load_transformer

BLOCKS = ("layers", "encoder.layers", "encoder.layer")
ARCHITECTURES = {
    "ViTForImageClassification",
    "DeiTForImageClassification",
    "DeiTForImageClassificationWithTeacher",
}


class ViT(Classifier, Resizing):
    """A loaded classifier."""

    def __init__(self, module: Any, *, processor: Any) -> None:
        super().__init__(module, processor=processor)
        self._beside_patches = 2 if module.config.model_type == "deit" else 1  # and its teacher's
        places = [f"{module.base_model_prefix}.{place}" for place in BLOCKS]
        self.towers = [Tower(name="vision", blocks=blocks_at(module, *places))]


class ViTFamily:
    """ViT and DeiT of any size."""

    name: ClassVar[str] = "vit"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return bool(ARCHITECTURES & set(config.get("architectures") or ()))

    def load(self, folder: str, spec: ModelSpec) -> ViT:
        processor = load_image_processor(folder, spec)
        return ViT(load_transformer(folder, spec), processor=processor)


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [ViTFamily]
