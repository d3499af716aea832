"""nocaps, COCO captions and Flickr30k."""

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from harness.plugin import DataError, HubCopy, HubTables, Once
from harness_tasks.annotation_files import read_rows
from harness_tasks.hub_copies.writing import image_bytes, number_in, write_bytes, write_json

COCO = "annotations/captions_val2017.json"
NOCAPS = "nocaps_val_4500_captions.json"
KARPATHY = "dataset_flickr30k.json"
#: Images of Karpathy's test split.
TEST_IMAGES = 1000


def write_nocaps(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``images/`` and the captions file, without domains; the official file stays if there."""
    ids, names, numbers = Once("image_id"), Once("image_file_name"), Once("annotations_ids")
    paths: list[Path] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    _, *fields = copy.tables[0].columns
    for row in tables.fields("rows", *fields):
        image_id, name = row.get("image_id", int), row.get("image_file_name", str)
        ids.take(image_id, row)
        names.take(name, row)
        paths.append(row.file("image_file_name", folder / "images"))
        open_images_id = row.get("image_open_images_id", str)
        images.append({"id": image_id, "file_name": name, "open_images_id": open_images_id})
        captions = row.texts("annotations_captions")
        if len(row.get("annotations_ids", list)) != len(captions):
            raise row.fault("columns 'annotations_ids' and 'annotations_captions' differ in length")
        for number, caption in zip(row["annotations_ids"], captions, strict=True):
            numbers.take(number, row)
            annotations.append({"image_id": image_id, "id": number, "caption": caption})
    _write_images(tables, paths)
    write_json(
        folder / NOCAPS,
        {
            "images": sorted(images, key=itemgetter("id")),
            "annotations": sorted(annotations, key=itemgetter("id")),
        },
    )


def write_coco(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``val2017/`` and its captions file; the id of a question is the name of COCO's image."""
    once = Once("question_id")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for row in tables.fields("rows", "question_id", "answer"):
        number = number_in(row, "question_id")
        once.take(number, row)
        images.append({"id": number, "file_name": f"{number:012d}.jpg"})
        annotations += [{"image_id": number, "caption": caption} for caption in row.texts("answer")]
    _write_images(tables, [folder / "val2017" / image["file_name"] for image in images])
    write_json(
        folder / COCO,
        {
            "images": sorted(images, key=itemgetter("id")),
            "annotations": sorted(annotations, key=itemgetter("image_id")),
        },
    )


def write_flickr30k(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``images/`` of Karpathy's test split, and his file where the copy is that split."""
    test, once = _test_names(folder, copy), Once("filename")
    paths: list[Path | None] = []
    images: list[dict[str, Any]] = []
    for row in tables.fields("rows", "filename", "caption"):
        path, name = row.file("filename", folder / "images"), row.get("filename", str)
        once.take(name, row)
        is_wanted = test is None or name in test
        paths.append(path if is_wanted else None)
        if is_wanted:
            sentences = [{"raw": caption} for caption in row.texts("caption")]
            images.append({"filename": name, "split": "test", "sentences": sentences})
    if test is not None and len(images) < len(test):
        missing = min(test - {image["filename"] for image in images})
        raise DataError(folder / KARPATHY, f"{missing} of its test split is not in {copy.repo}")
    _write_images(tables, paths)
    write_json(
        folder / KARPATHY,
        {"dataset": "flickr30k", "images": sorted(images, key=itemgetter("filename"))},
    )


def _write_images(tables: HubTables, paths: Sequence[Path | None]) -> None:
    """The image of every row; None = it is not wanted."""
    for row, path in zip(tables.rows("rows"), paths, strict=True):
        if path is not None:
            write_bytes(path, image_bytes(row, "image"))


def _test_names(folder: Path, copy: HubCopy) -> set[str] | None:
    """File names of the test split; None where the copy holds nothing else."""
    path = folder / KARPATHY
    if path.is_file():
        rows = read_rows(path, "images")
        return {row.get("filename", str) for row in rows if row.get("split", str) == "test"}
    if copy.tables[0].rows == TEST_IMAGES:
        return None
    raise DataError(path, f"no such file; {copy.repo} does not say which images are the test split")
