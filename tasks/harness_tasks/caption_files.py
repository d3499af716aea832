"""Captions files of COCO, of nocaps (the same with domains), of Karpathy and of LAVIS."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.plugin import DataError, Manifest, Once, Row, brief
from harness_tasks.annotation_files import first_existing, first_file, read_json

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

    Captions may repeat one another: people do, in COCO as well.

    Args:
        images: Folder of the image files.
        split: Which split of a Karpathy file; other formats hold one split each.

    Raises:
        DataError: A field is missing, an image or an annotation stands there twice, a caption is
            of no image, or an image has none.
    """
    content = read_json(path)
    if isinstance(content, list):
        return _read_list(content, path, images)
    if not isinstance(content, dict):
        raise DataError(path, f"an object or a list is needed, not {brief(content)}")
    file = Row(content, path, "its object")
    if "annotations" not in content:
        return _read_karpathy(file, images, split)
    return _read_coco(file, images)


def _entries(file: Row, field: str) -> Iterator[Row]:
    for index, entry in enumerate(file.get(field, list)):
        yield Row(entry, file.path, f"{field}[{index}]")


def _read_coco(file: Row, images: Path) -> list[Captioned]:
    ids, names, annotations = Once("id"), Once("file_name"), Once("id")
    rows: dict[int, Row] = {}
    captions: dict[int, list[str]] = {}
    for row in _entries(file, "images"):
        image_id = row.get("id", int)
        ids.take(image_id, row)
        names.take(row.get("file_name", str), row)
        rows[image_id], captions[image_id] = row, []
    for row in _entries(file, "annotations"):
        annotations.take_if_there(row)
        image_id = row.get("image_id", int)
        if image_id not in captions:
            raise row.fault(f"field 'image_id' is {brief(image_id)}; there is no such image")
        captions[image_id].append(row.get("caption", str))
    return [_coco_image(row, images, captions[image_id]) for image_id, row in rows.items()]


def _coco_image(row: Row, images: Path, captions: list[str]) -> Captioned:
    image_id = row.get("id", int)
    if not captions:
        raise row.fault(f"image {brief(image_id)} has no caption")
    return Captioned(
        id=str(image_id),
        path=row.file("file_name", images),
        captions=tuple(captions),
        domain=row.get("domain", str) if "domain" in row else "",
    )


def _read_list(content: list[Any], path: Path, images: Path) -> list[Captioned]:
    """A list of LAVIS's: where an image lies, and all its captions."""
    once = Once("image")
    found = []
    for index, entry in enumerate(content):
        row = Row(entry, path, f"[{index}]")
        place = row.file("image", images)
        once.take(place.name, row)
        captions = tuple(row.texts("caption"))
        found.append(Captioned(id=place.name, path=_lying(place, images), captions=captions))
    return found


def _read_karpathy(file: Row, images: Path, split: str) -> list[Captioned]:
    """Of all splits, that no image is in two."""
    once, sentences = Once("filename"), Once("sentid")
    found = []
    for row in _entries(file, "images"):
        name = row.get("filename", str)
        once.take(name, row)
        if row.get("split", str) == split:
            captions = [_raw(sentence, sentences) for sentence in row.rows("sentences")]
            if not captions:
                raise row.fault("field 'sentences' is empty")
            path = _karpathy_image(row, images)
            found.append(Captioned(id=name, path=path, captions=tuple(captions)))
    return found


def _raw(sentence: Row, once: Once) -> str:
    once.take_if_there(sentence)
    return sentence.get("raw", str)


def _karpathy_image(row: Row, images: Path) -> Path:
    """Of COCO, ``filepath`` names the folder; some keep all images in one."""
    folder = row.get("filepath", str) if "filepath" in row else ""
    name = str(PurePosixPath(folder, row.get("filename", str)))
    return _lying(row.file("filename", images, name), images)


def _lying(path: Path, images: Path) -> Path:
    """Where an image is: in the folder that its entry says, else among the others."""
    return first_file(path, images / path.name)


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
