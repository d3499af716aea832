"""Captioning: nocaps and COCO-style captions, scored by CIDEr-D.

Agrawal et al., "nocaps: novel object captioning at scale", ICCV 2019; Chen et al., "Microsoft COCO
Captions", 2015 (arXiv:1504.00325). One reader takes COCO's captions JSON, nocaps' (the same with a
domain per image) and Karpathy's split files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from harness_tasks import lavis
from harness_tasks.annotation_files import Row, existing_image, first_existing, read_json, read_rows
from harness_tasks.metrics.captions import score_captions

CIDER = Metric(name="CIDEr-D")
NOCAPS = "nocaps_val_4500_captions.json"
#: File -> folder of its images, beside or above it.
COCO_FILES = {
    "annotations/captions_val2017.json": "val2017",
    "annotations/captions_val2014.json": "val2014",
    "dataset_coco.json": "images",
    "dataset_flickr30k.json": "images",
    "dataset_flickr8k.json": "images",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Captioned:
    """One image and its captions."""

    id: str
    path: Path
    captions: tuple[str, ...]
    domain: str = ""


def read_captions(path: Path, images: Path, split: str) -> list[Captioned]:
    """Read a captions file of any of the three formats.

    Args:
        images: Folder of the image files.
        split: Which split of a Karpathy file; other formats hold one split each.
    """
    content = read_json(path)
    if isinstance(content, dict) and "annotations" not in content:
        return _read_karpathy(path, images, split)
    captions: dict[int, list[str]] = {}
    for row in read_rows(path, "annotations"):
        captions.setdefault(row.get("image_id", int), []).append(row.get("caption", str))
    return [_read_coco_image(row, images, captions, path) for row in read_rows(path, "images")]


def _read_coco_image(
    row: Row, images: Path, captions: dict[int, list[str]], path: Path
) -> Captioned:
    image_id = row.get("id", int)
    if image_id not in captions:
        raise DataError(path, f"image {image_id} has no caption")
    return Captioned(
        id=str(image_id),
        path=images / row.get("file_name", str),
        captions=tuple(captions[image_id]),
        domain=row.get("domain", str) if "domain" in row else "",
    )


def _read_karpathy(path: Path, images: Path, split: str) -> list[Captioned]:
    return [
        Captioned(
            id=row.get("filename", str),
            path=images / row.get("filename", str),
            captions=tuple(sentence.get("raw", str) for sentence in row.rows("sentences")),
        )
        for row in read_rows(path, "images")
        if row.get("split", str) == split
    ]


class Captioning:
    """What the caption tasks share."""

    name: ClassVar[str]
    needs: ClassVar = "generate"
    metric: ClassVar[Metric] = CIDER
    prompt: ClassVar[str]

    def profile(self, name: str | None) -> Profile:
        if name not in (None, "lavis"):
            raise UnknownNameError(f"{self.name} profile", str(name), ["lavis"])
        return Profile(name="lavis", prompt=self.prompt, generation=lavis.CAPTION)

    def find(self, folder: Path) -> tuple[Path, Path]:
        """The captions file and the folder of its images."""
        raise NotImplementedError

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        path, images = self.find(folder)
        return [
            Example(
                sample=Sample(
                    id=item.id, image=existing_image(item.path), prompt=profile.prompt
                ),
                references=item.captions,
                label=item.domain,
                cluster=item.id,
            )
            for item in read_captions(path, images, split="test")
        ]

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        scores = score_captions(outputs, [example.references for example in examples])
        return Scores(per_sample=scores.cider, metrics=scores.metrics, absent=scores.absent)


class NoCaps(Captioning):
    """nocaps validation, broken down by domain."""

    name: ClassVar[str] = "nocaps"
    prompt: ClassVar[str] = lavis.CAPTION_PROMPT

    def find(self, folder: Path) -> tuple[Path, Path]:
        return first_existing(folder, [NOCAPS]), folder / "images"

    def instructions(self) -> str:
        return (
            f"nocaps: get {NOCAPS} and the validation images from https://nocaps.org/download and "
            f"put the file and the folder images/ into one folder"
        )


class CocoCaption(Captioning):
    """COCO-style captions: COCO's own files, or Karpathy's test split."""

    name: ClassVar[str] = "coco-caption"
    prompt: ClassVar[str] = ""

    def find(self, folder: Path) -> tuple[Path, Path]:
        path = first_existing(folder, list(COCO_FILES))
        return path, folder / COCO_FILES[path.relative_to(folder).as_posix()]

    def instructions(self) -> str:
        return (
            "COCO captions: get 2017 val images and annotations from https://cocodataset.org and "
            "put annotations/captions_val2017.json and val2017/ into one folder; or a Karpathy "
            "split file with its images/"
        )


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [NoCaps, CocoCaption]
