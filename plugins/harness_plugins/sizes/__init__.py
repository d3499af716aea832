"""Full-size models as their published sizes alone: a ``config.json`` each, without weights.

For ``harness models show NAME`` and ``--model NAME --init random``. Sizes are from the papers and
their released code: LAVIS (BLIP-2, BLIP), google-research/t5x (FlanT5), facebookresearch/llama,
openai/CLIP, baaivision/EVA.
"""

from pathlib import Path
from typing import ClassVar

from harness.plugin import BundledModel, hookimpl


class Sizes:
    """A config without weights; it has no data of its own."""

    name: ClassVar[str]
    edition: ClassVar[str] = "full"
    calibration: ClassVar[str] = ""
    train: ClassVar[str] = ""

    def folder(self) -> Path:
        return Path(__file__).parent / self.name


class Blip2FlanT5XL(Sizes):
    """BLIP-2 with EVA-ViT-g (39 blocks) and FlanT5-XL (24 + 24)."""

    name: ClassVar[str] = "blip2-flan-t5-xl"


class FlanT5XL(Sizes):
    """FlanT5-XL: 24 + 24 blocks of width 2048."""

    name: ClassVar[str] = "flan-t5-xl"


class EvaViTG(Sizes):
    """EVA-ViT-g with a classifier, all of its 40 blocks; needs ``pruning-harness[timm]``."""

    name: ClassVar[str] = "eva-vit-g"


class Llama7B(Sizes):
    """LLaMA-7B: 32 blocks of width 4096."""

    name: ClassVar[str] = "llama-7b"


class ClipViTB16(Sizes):
    """CLIP ViT-B/16: 12 + 12 blocks."""

    name: ClassVar[str] = "clip-vit-b16"


class BlipBase(Sizes):
    """BLIP base for captions: ViT-B/16 at 384 pixels and a text decoder of 12 blocks."""

    name: ClassVar[str] = "blip-base"


@hookimpl
def harness_models() -> list[type[BundledModel]]:
    return [Blip2FlanT5XL, FlanT5XL, EvaViTG, Llama7B, ClipViTB16, BlipBase]
