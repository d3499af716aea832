"""Calibration sources: captioned images, labelled images, running text, all local."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from harness.plugin import CalibrationSource, DataError, InputError, Sample, hookimpl
from harness_tasks.annotation_files import existing_image
from harness_tasks.caption_files import COCO_TRAIN_FILES, find_captions, read_captions
from harness_tasks.image_folder import read_image_folder


@dataclass(frozen=True)
class Captions:
    """The first caption of every training image of a COCO or Karpathy file."""

    name: ClassVar[str] = "captions"

    prompt: str = ""
    split: str = "train"
    """Of a Karpathy file."""

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Sample]:
        captions, images = find_captions(_folder(path, self.name), COCO_TRAIN_FILES)
        return [
            Sample(
                id=item.id,
                image=existing_image(item.path),
                prompt=self.prompt,
                target=item.captions[0],
            )
            for item in read_captions(captions, images, self.split)
        ]


class ImageFolder:
    """Images of an ImageNet folder with their labels."""

    name: ClassVar[str] = "imagefolder"

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Sample]:
        return [
            Sample(id=f"{image.parent.name}/{image.name}", image=image, target=label)
            for image, label in read_image_folder(_folder(path, self.name)).images
        ]


@dataclass(frozen=True)
class Text:
    """Windows of a text file, without overlap."""

    name: ClassVar[str] = "text"

    window: Annotated[int, Field(gt=1)] = 2048
    """Tokens per window."""

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Sample]:
        if path is None or not path.is_file():
            raise DataError(path or Path("text"), "no such text file; say --calibration text=FILE")
        if encode is None:
            raise InputError("calibration source text needs a model with a tokenizer")
        tokens = encode(path.read_text(encoding="utf-8"))
        return [
            Sample(id=f"{start}", tokens=tuple(tokens[start : start + self.window]))
            for start in range(0, len(tokens) - self.window + 1, self.window)
        ]


def _folder(path: Path | None, source: str) -> Path:
    if path is None:
        raise InputError(f"calibration source {source} needs a folder: --calibration {source}=DIR")
    return path


@hookimpl
def harness_calibration_sources() -> list[type[CalibrationSource]]:
    return [Captions, ImageFolder, Text]
