"""Vision transformers of timm that classify; ``pruning-harness[timm]`` brings it.

Among them is EVA-ViT-g with a classifier (``timm/eva_giant_patch14_224.clip_ft_in1k``; Fang et al.,
"EVA", CVPR 2023, arXiv:2211.07636): the vision tower of BLIP-2, with all its forty blocks. Prunable
are the linear layers of the blocks; the patch embedding and the classifier are not.
"""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

from harness.plugin import ImageSpec, InputError, ModelFamily, ModelSpec, Tower, hookimpl
from harness_plugins.classifying import Classifier
from harness_plugins.images import ShortSideCrop
from harness_plugins.pretrained import blocks_at, load_transformer

WRAPPER = "TimmWrapperForImageClassification"


class Timm(Classifier):
    """A loaded classifier."""

    def __init__(self, module: Any, *, processor: Any) -> None:
        super().__init__(module, processor=processor)
        self.towers = [Tower(name="vision", blocks=blocks_at(module, "timm_model.blocks"))]
        for part in module.modules():
            if hasattr(part, "qkv_bias_separate"):
                # EVA then calls its packed projection, instead of multiplying by its weight.
                part.qkv_bias_separate = True

    def _seen_tokens(self, image: tuple[int, int]) -> int:
        inside = self._model.timm_model
        return int(inside.patch_embed.num_patches + inside.num_prefix_tokens)

    def prunable(self, name: str) -> bool:
        """BEiT's table of relative positions stands in its blocks."""
        return not name.endswith("relative_position_bias_table")


def _why_no_timm() -> str:
    if find_spec("timm") is not None:
        return ""
    return "its architecture is timm's: pip install 'pruning-harness[timm]'"


class TimmFamily:
    """timm's transformers, as folders of transformers' wrapper or as timm's own."""

    name: ClassVar[str] = "timm"

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        return {"": why} if (why := _why_no_timm()) else {}

    def matches(self, config: Mapping[str, Any]) -> bool:
        return WRAPPER in (config.get("architectures") or ()) or "pretrained_cfg" in config

    def load(self, folder: str, spec: ModelSpec) -> Timm:
        if why := _why_no_timm():
            raise InputError(f"{folder}: {why}")
        module = load_transformer(folder, spec, otherwise=WRAPPER)
        images = spec.images or _images_of(folder, module.config.pretrained_cfg)
        return Timm(module, processor=ShortSideCrop(images))


def _images_of(folder: str, config: Mapping[str, Any]) -> ImageSpec:
    """How timm says that images are prepared."""
    asked = config.get("interpolation", "bicubic"), config.get("crop_mode", "center")
    if asked != ("bicubic", "center"):
        raise InputError(
            f"{folder}: its images are prepared with {' and '.join(asked)}, here it is bicubic and "
            f'center; say it otherwise, e.g. --images "short=256 crop=224 mean=0.5 std=0.5"'
        )
    side = config["input_size"][-1]
    return ImageSpec(
        short=math.floor(side / config["crop_pct"]),
        crop=side,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [TimmFamily]
