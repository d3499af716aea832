"""COCO's and Karpathy's caption files, of which the training images are taken."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.plugin import Sample, SamplePool
from harness_tasks.calibration.captioned import Captioned
from harness_tasks.calibration.source_files import source_path
from harness_tasks.caption_files import COCO_TRAIN_FILES, find_captions, read_captions


@dataclass(frozen=True)
class Captions(Captioned):
    """The first caption of every training image of a COCO or Karpathy file."""

    name: ClassVar[str] = "captions"

    split: str = "train"
    """Of a Karpathy file."""

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> SamplePool:
        captions, images = find_captions(source_path(path, self.name), COCO_TRAIN_FILES)
        items = read_captions(captions, images, self.split)

        def make(position: int) -> Sample:
            item = items[position]
            return self.sample(item.id, item.path, item.captions[0])

        return SamplePool(len(items), lambda i: items[i].id, make)
