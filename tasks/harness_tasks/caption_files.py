"""Captions files of COCO, of nocaps (the same with domains), of Karpathy and of LAVIS."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.plugin import DataError, Manifest
from harness_tasks.annotation_files import Row, first_existing, first_file, read_json, read_rows

#: Captions file for training -> folder of its images, both relative to the task's folder.
COCO_TRAIN_FILES = {
    "annotations/captions_train2017.json": "train2017",
    "annotations/captions_train2014.json": "train2014",
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
    """Read a captions file of any of the four formats.

    Args:
        images: Folder of the image files.
        split: Which split of a Karpathy file; other formats hold one split each.
    """
    content = read_json(path)
    if isinstance(content, list):
        return [_read_listed(Row(c, path, f"[{i}]"), images) for i, c in enumerate(content)]
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


def _read_listed(row: Row, images: Path) -> Captioned:
    """An entry of a list of LAVIS's: where the image lies, and all its captions."""
    place = PurePosixPath(row.get("image", str))
    return Captioned(
        id=place.name,
        path=first_file(images / place, images / place.name),
        captions=tuple(row.texts("caption")),
    )


def _read_karpathy(path: Path, images: Path, split: str) -> list[Captioned]:
    return [
        Captioned(
            id=row.get("filename", str),
            path=_karpathy_image(row, images),
            captions=tuple(sentence.get("raw", str) for sentence in row.rows("sentences")),
        )
        for row in read_rows(path, "images")
        if row.get("split", str) == split
    ]


def _karpathy_image(row: Row, images: Path) -> Path:
    """Of COCO, ``filepath`` names the folder; some keep all images in one."""
    name = row.get("filename", str)
    folder = row.get("filepath", str) if "filepath" in row else ""
    return first_file(images / folder / name, images / name)


def captions_in(folder: Path, manifest: Manifest) -> tuple[Path, Path]:
    """The captions file of the layout that the folder holds, and the folder of its images.

    Raises:
        DataError: It holds none, or more than one.
    """
    captions, images = manifest.layout_in(folder).required
    return folder / captions.path, folder / images.path


def find_captions(folder: Path, files: dict[str, str]) -> tuple[Path, Path]:
    """The first of the captions files that the folder has, and the folder of its images.

    Raises:
        DataError: It has none of them.
    """
    path = first_existing(folder, list(files))
    return path, folder / files[path.relative_to(folder).as_posix()]
