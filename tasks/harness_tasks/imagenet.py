"""ImageNet-1k: top-1 and top-5 of a classifier on an ImageFolder.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015. A missing class
folder would shift every label after it, so the order of classes has to be given unless all 1000
folders are there.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import (
    DataError,
    Example,
    Metric,
    Profile,
    Sample,
    Scores,
    Task,
    UnknownNameError,
    hookimpl,
)
from harness_tasks.annotation_files import SUFFIXES, read_json

CLASSES = 1000
#: Kaggle's list of classes, ``wnid name, name`` per line, in index order.
MAPPING = "LOC_synset_mapping.txt"
INDEX = "classes.json"


def read_image_folder(folder: Path) -> list[tuple[Path, int]]:
    """Images of ``val/<wnid>/`` with their class index, by wnid and file name.

    Raises:
        DataError: The folder is missing, or the class order is not certain.
    """
    root = folder / "val"
    if not root.is_dir():
        raise DataError(root, "no such folder; ImageNet's is val/<wnid>/<image>")
    present = sorted(path.name for path in root.iterdir() if path.is_dir())
    order = {wnid: index for index, wnid in enumerate(_class_order(folder, present))}
    unknown = [wnid for wnid in present if wnid not in order]
    if unknown:
        raise DataError(root / unknown[0], "is no class of the list")
    return [
        (path, order[wnid])
        for wnid in present
        for path in sorted((root / wnid).iterdir())
        if path.suffix in SUFFIXES
    ]


def _class_order(folder: Path, present: list[str]) -> list[str]:
    if (folder / INDEX).is_file():
        return [str(entry[0]) for entry in read_json(folder / INDEX)]
    if (folder / MAPPING).is_file():
        lines = (folder / MAPPING).read_text(encoding="utf-8").splitlines()
        return [line.split()[0] for line in lines if line.strip()]
    if len(present) != CLASSES:
        raise DataError(
            folder / "val",
            f"{len(present)} class folders, not {CLASSES}; put {MAPPING} or {INDEX} beside val/",
        )
    return present


class ImageNet:
    """Top-1 accuracy on the validation images."""

    name: ClassVar[str] = "imagenet"
    needs: ClassVar = "classify"
    metric: ClassVar[Metric] = Metric(name="top-1", unit="%", scale=100)

    def profile(self, name: str | None) -> Profile:
        if name not in (None, "classifier"):
            raise UnknownNameError("imagenet profile", str(name), ["classifier"])
        return Profile(name="classifier")

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        return [
            Example(
                sample=Sample(id=f"{path.parent.name}/{path.name}", image=path),
                references=(str(label),),
                cluster=f"{path.parent.name}/{path.name}",
            )
            for path, label in read_image_folder(folder)
        ]

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        labels = [int(example.references[0]) for example in examples]
        hits = [label in best[:5] for best, label in zip(outputs, labels, strict=True)]
        return Scores(
            per_sample=[float(best[0] == k) for best, k in zip(outputs, labels, strict=True)],
            metrics={"top-5": 100 * sum(hits) / len(hits)},
        )

    def instructions(self) -> str:
        return (
            "ImageNet-1k: get the validation images from https://image-net.org (registration) and "
            f"put them as val/<wnid>/*.JPEG into one folder, with {MAPPING} beside val/"
        )


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [ImageNet]
