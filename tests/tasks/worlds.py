"""Four photographs, asked about in the official format of every task; small enough for a pencil."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness_tasks.okvqa import OKVQA
from harness_tasks.vqav2 import VQAv2
from tests.tiny import make_samples

COUNT = 4
CAPTIONS = (
    "one red dog runs over grass",
    "two blue cats sleep under tables",
    "three green birds sit on wires",
    "four white horses stand near water",
)
CLASSES = ("dog", "cat", "bird", "horse")


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def images(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for sample, name in zip(make_samples("vit", folder, len(names)), names, strict=True):
        assert sample.image is not None
        sample.image.rename(folder / name)


def write_vqa(folder: Path, questions: str, annotations: str) -> None:
    """Answers yes, no, no, red; of the last, three of ten annotators say red and seven yes."""
    images(folder / "val2014", [f"COCO_val2014_{i:012d}.jpg" for i in range(COUNT)])
    answers = [["yes"] * 10, ["no"] * 10, ["no"] * 10, ["yes"] * 7 + ["red"] * 3]
    ids = [{"image_id": i, "question_id": 10 * i} for i in range(COUNT)]
    dump(folder / questions, {"questions": [{**key, "question": "Is it?"} for key in ids]})
    rows = [
        {**key, "answer_type": "other", "answers": [{"answer": text} for text in texts]}
        for key, texts in zip(ids, answers, strict=True)
    ]
    dump(folder / annotations, {"annotations": rows})


def write_vqav2(folder: Path) -> None:
    write_vqa(folder, VQAv2.questions, VQAv2.annotations)
    dump(folder / "answer_list.json", ["no", "yes", "red"])


def write_okvqa(folder: Path) -> None:
    write_vqa(folder, OKVQA.questions, OKVQA.annotations)


def write_gqa(folder: Path) -> None:
    images(folder / "images", [f"{i}.jpg" for i in range(COUNT)])
    questions = {
        f"q{i}": {
            "question": "Is it?",
            "answer": "yes" if i < 3 else "no",
            "imageId": str(i),
            "types": {"structural": "verify" if i % 2 else "query"},
        }
        for i in range(COUNT)
    }
    dump(folder / "testdev_balanced_questions.json", questions)


def write_coco(path: Path, folder: Path) -> None:
    names = [f"{i}.jpg" for i in range(COUNT)]
    images(folder, names)
    rows = [
        {"id": i, "file_name": name, "domain": "in-domain" if i else "out-domain"}
        for i, name in enumerate(names)
    ]
    captions = [{"image_id": i, "caption": text} for i, text in enumerate(CAPTIONS)]
    dump(path, {"images": rows, "annotations": captions})


def write_nocaps(folder: Path) -> None:
    write_coco(folder / "nocaps_val_4500_captions.json", folder / "images")


def write_coco_caption(folder: Path) -> None:
    write_coco(folder / "annotations" / "captions_val2017.json", folder / "val2017")


def write_flickr30k(folder: Path) -> None:
    """Two captions an image, and one training image that no gallery holds."""
    names = [f"{i}.jpg" for i in range(COUNT + 1)]
    images(folder / "images", names)
    rows = [
        {
            "filename": name,
            "split": "test" if i < COUNT else "train",
            "sentences": [{"raw": f"{CAPTIONS[i % COUNT]} {k}"} for k in range(2)],
        }
        for i, name in enumerate(names)
    ]
    dump(folder / "dataset_flickr30k.json", {"images": rows})


def write_imagenet(folder: Path) -> None:
    """One image of a dog, three others; index order is not the folders' order."""
    wnids = ["n4", "n3", "n2", "n1"]
    for wnid in wnids:
        images(folder / "val" / wnid, [f"{wnid}.JPEG"])
    dump(folder / "classes.json", [list(pair) for pair in zip(wnids, CLASSES, strict=True)])


def write_class_folders(folder: Path) -> None:
    for name in CLASSES:
        images(folder / "test" / name, [f"{name}.jpg"])


def write_nlvr2(folder: Path) -> None:
    rows = []
    for i in range(COUNT):
        images(folder / "test1", [f"test1-{i}-0-img{side}.png" for side in range(2)])
        label = "True" if i < 3 else "False"
        rows.append({"identifier": f"test1-{i}-0-1", "sentence": "A is B.", "label": label})
    (folder / "test1.json").write_text("\n".join(map(json.dumps, rows)) + "\n")


def write_text(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x" * 64 * COUNT + "rest")

    return write
