"""ImageNet's folders of labelled images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from harness.plugin import DataError, Sample, SamplePool
from harness_tasks.calibration.source_files import source_path
from harness_tasks.calibration.views import Viewed
from harness_tasks.class_order import Class, are_of_imagenet
from harness_tasks.image_folder import INDEX, MAPPING, read_image_folder
from harness_tasks.wnids import WNIDS


@dataclass(frozen=True)
class ImageFolder(Viewed):
    """Images of an ImageNet folder with their classes."""

    name: ClassVar[str] = "imagefolder"

    split: str = "val"
    """Folder of the classes' folders; released pruning code calibrates on val."""
    order: Literal["imagenet", "list"] = "imagenet"
    """What a class's index is: ImageNet's where all are among its 1,000, or its place in the list,
    for a classifier that was trained on the classes of the list alone."""
    template: str = ""
    """Sentence whose ``{}`` is the class's name, for models that read texts; else its index."""

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> SamplePool:
        folder = source_path(path, self.name)
        labelled = read_image_folder(folder, self.split)
        if self.template and not labelled.names:
            raise DataError(folder, f"names no classes; put {MAPPING} or {INDEX} there")

        indices = _indices(labelled.classes, self.order)

        def name(position: int) -> str:
            image, _ = labelled.images[position]
            return f"{image.parent.name}/{image.name}"

        def make(position: int) -> Sample:
            image, label = labelled.images[position]
            return Sample(
                id=name(position),
                image=image,
                view=self.view(image),
                target=self.template.format(labelled.names[label])
                if self.template
                else indices[label],
            )

        return SamplePool(
            len(labelled.images), name, make, lambda position: str(labelled.images[position][1])
        )


def _indices(classes: Sequence[Class], order: str) -> Sequence[int]:
    if order == "list" or not are_of_imagenet(classes):
        return range(len(classes))
    return [WNIDS.index(found.key) for found in classes]
