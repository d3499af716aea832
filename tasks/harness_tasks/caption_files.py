"""Captions files: COCO's JSON, nocaps' (the same with a domain per image), Karpathy's splits."""

from dataclasses import dataclass
from pathlib import Path

from harness.plugin import DataError
from harness_tasks.annotation_files import Row, first_existing, read_json, read_rows

NOCAPS = "nocaps_val_4500_captions.json"
#: Evaluation file -> folder of its images, both relative to the task's folder.
COCO_FILES = {
    "annotations/captions_val2017.json": "val2017",
    "annotations/captions_val2014.json": "val2014",
    "dataset_coco.json": "images",
    "dataset_flickr30k.json": "images",
    "dataset_flickr8k.json": "images",
}
#: The same for training, where it differs.
COCO_TRAIN_FILES = {
    "annotations/captions_train2017.json": "train2017",
    "annotations/captions_train2014.json": "train2014",
    **{name: images for name, images in COCO_FILES.items() if name.startswith("dataset_")},
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


def find_captions(folder: Path, files: dict[str, str]) -> tuple[Path, Path]:
    """The first of the captions files that the folder has, and the folder of its images.

    Raises:
        DataError: It has none of them.
    """
    path = first_existing(folder, list(files))
    return path, folder / files[path.relative_to(folder).as_posix()]
