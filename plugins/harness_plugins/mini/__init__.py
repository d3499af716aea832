"""The miniature models: real architectures, trained from scratch on the miniature world."""

from pathlib import Path
from typing import ClassVar

from harness.plugin import BundledModel, hookimpl


class MiniBlip2:
    """A BLIP-2 of 4 million weights that knows coloured shapes and nothing else."""

    name: ClassVar[str] = "mini-blip2"
    edition: ClassVar[str] = "mini"
    calibration: ClassVar[str] = "mini"
    train: ClassVar[str] = "mini-train"

    def folder(self) -> Path:
        return Path(__file__).parent / "blip2"


class MiniClip:
    """A CLIP of a million weights for the same scenes."""

    name: ClassVar[str] = "mini-clip"
    edition: ClassVar[str] = "mini"
    calibration: ClassVar[str] = "mini-captions"
    train: ClassVar[str] = "mini-train-captions"

    def folder(self) -> Path:
        return Path(__file__).parent / "clip"


class MiniLM:
    """A Llama of 1.1 million weights that knows reports on coloured shapes and nothing else."""

    name: ClassVar[str] = "mini-lm"
    edition: ClassVar[str] = "mini"
    calibration: ClassVar[str] = "mini-text"
    train: ClassVar[str] = "mini-text-train"

    def folder(self) -> Path:
        return Path(__file__).parent / "causal_lm"


@hookimpl
def harness_models() -> list[type[BundledModel]]:
    return [MiniBlip2, MiniClip, MiniLM]
