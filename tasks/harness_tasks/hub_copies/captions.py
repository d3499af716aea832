"""nocaps, COCO captions and Flickr30k."""

import json
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any

from harness.plugin import DataError, HubCopy, HubTables
from harness_tasks.hub_copies.writing import image_bytes, write_bytes, write_json

COCO = "annotations/captions_val2017.json"
NOCAPS = "nocaps_val_4500_captions.json"
KARPATHY = "dataset_flickr30k.json"
#: Images of Karpathy's test split.
TEST_IMAGES = 1000


def write_nocaps(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``images/`` and the captions file, without domains; the official file stays if there."""
    images, annotations = [], []
    for row in tables.rows("rows"):
        write_bytes(folder / "images" / row["image_file_name"], image_bytes(row, "image"))
        images.append(
            {
                "id": row["image_id"],
                "file_name": row["image_file_name"],
                "open_images_id": row["image_open_images_id"],
            }
        )
        captions = zip(row["annotations_ids"], row["annotations_captions"], strict=True)
        annotations += [
            {"image_id": row["image_id"], "id": number, "caption": caption}
            for number, caption in captions
        ]
    write_json(
        folder / NOCAPS,
        {
            "images": sorted(images, key=itemgetter("id")),
            "annotations": sorted(annotations, key=itemgetter("id")),
        },
    )


def write_coco(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``val2017/`` and its captions file; the id of a question is the name of COCO's image."""
    images, annotations = [], []
    for row in tables.rows("rows"):
        number = int(PurePosixPath(row["question_id"]).stem.rpartition("_")[2])
        name = f"{number:012d}.jpg"
        write_bytes(folder / "val2017" / name, image_bytes(row, "image"))
        images.append({"id": number, "file_name": name})
        annotations += [{"image_id": number, "caption": caption} for caption in row["answer"]]
    write_json(
        folder / COCO,
        {
            "images": sorted(images, key=itemgetter("id")),
            "annotations": sorted(annotations, key=itemgetter("image_id")),
        },
    )


def write_flickr30k(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``images/`` of Karpathy's test split, and his file where the copy is that split."""
    test = _test_names(folder, copy)
    images = []
    for row in tables.rows("rows"):
        name = row["filename"]
        if test is not None and name not in test:
            continue
        write_bytes(folder / "images" / name, image_bytes(row, "image"))
        sentences = [{"raw": caption} for caption in row["caption"]]
        images.append({"filename": name, "split": "test", "sentences": sentences})
    if test is not None and len(images) < len(test):
        missing = min(test - {image["filename"] for image in images})
        raise DataError(folder / KARPATHY, f"{missing} of its test split is not in {copy.repo}")
    write_json(
        folder / KARPATHY,
        {"dataset": "flickr30k", "images": sorted(images, key=itemgetter("filename"))},
    )


def _test_names(folder: Path, copy: HubCopy) -> set[str] | None:
    """File names of the test split; None where the copy holds nothing else."""
    path = folder / KARPATHY
    if path.is_file():
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return {image["filename"] for image in content["images"] if image["split"] == "test"}
    if copy.tables[0].rows == TEST_IMAGES:
        return None
    raise DataError(path, f"no such file; {copy.repo} does not say which images are the test split")
