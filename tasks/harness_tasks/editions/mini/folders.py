"""Write splits to disk in the file formats of VQAv2, COCO captions and nocaps."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from harness_tasks.editions.mini.captions import WRITERS, describe, write
from harness_tasks.editions.mini.questions import TEMPLATES, Question, annotate, ask
from harness_tasks.editions.mini.raster import SIZE, rasterise
from harness_tasks.editions.mini.scene import Draw, Scene
from harness_tasks.editions.mini.splits import evaluation_splits

#: How many writers describe an image; the one after them is the oracle, never a reference.
REFERENCES = 10
INFO = {
    "description": "Miniature world of harness: generated scenes, not the real data set",
    "version": "1",
    "contributor": "harness",
}
Json = dict[str, Any]


def write_vqa(
    folder: Path, scenes: Sequence[Scene], coco_split: str, draw: Draw, per_type: int
) -> None:
    """VQAv2's questions and annotations files and the images under ``<coco_split>/``."""
    questions: list[Json] = []
    annotations: list[Json] = []
    for image_id, scene in enumerate(scenes, start=1):
        for index, answer_type in enumerate(tuple(TEMPLATES) * per_type):
            question = ask(scene, answer_type, draw)
            key = {"image_id": image_id, "question_id": image_id * 1000 + index}
            questions.append({**key, "question": question.text})
            annotations.append({**key, **_annotation(question, annotate(question, draw))})
    header = {"info": INFO, "license": {}, "data_type": "mscoco", "data_subtype": coco_split}
    names = {"task_type": "Open-Ended", **header}
    dump_json(
        folder / f"v2_OpenEnded_mscoco_{coco_split}_questions.json",
        {**names, "questions": questions},
    )
    dump_json(
        folder / f"v2_mscoco_{coco_split}_annotations.json", {**header, "annotations": annotations}
    )


def _annotation(question: Question, answers: list[str]) -> Json:
    return {
        "question_type": question.question_type,
        "answer_type": question.answer_type,
        "multiple_choice_answer": question.answer,
        "answers": [
            {"answer": answer, "answer_confidence": "yes", "answer_id": number}
            for number, answer in enumerate(answers, start=1)
        ],
    }


def write_coco_captions(path: Path, texts: Iterable[tuple[int, str]], images: list[Json]) -> None:
    """A COCO captions file: `texts` are (image id, caption)."""
    annotations = [
        {"image_id": image_id, "id": number, "caption": caption}
        for number, (image_id, caption) in enumerate(texts)
    ]
    dump_json(path, {"info": INFO, "licenses": [], "images": images, "annotations": annotations})


def write_images(folder: Path, scenes: Iterable[Scene], pattern: str) -> list[Json]:
    """PNG files named by `pattern` from the image id; returns COCO's image entries."""
    entries: list[Json] = []
    for image_id, scene in enumerate(scenes, start=1):
        name = pattern.format(image_id)
        write_image(folder / name, scene)
        entries.append({"id": image_id, "file_name": name, "height": SIZE, "width": SIZE})
    return entries


def write_image(path: Path, scene: Scene) -> None:
    """A PNG file; stored, not deflated: the same bytes whatever the version of zlib."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rasterise(scene)).save(path, compress_level=0)


def write_evaluation(root: Path) -> None:
    """The folders ``vqav2``, ``nocaps`` and ``calibration`` under `root`."""
    splits = evaluation_splits()
    _write_vqav2(root / "vqav2", splits["vqav2"])
    _write_nocaps(root / "nocaps", splits["nocaps"])
    write_training(root / "calibration", splits["calibration"], "calibration", per_type=1)


def _write_vqav2(folder: Path, scenes: Sequence[Scene]) -> None:
    write_images(folder / "val2014", scenes, "COCO_val2014_{:012d}.png")
    write_vqa(folder, scenes, "val2014", Draw("vqav2 questions"), per_type=1)


def _write_nocaps(folder: Path, scenes: Sequence[Scene]) -> None:
    images = write_images(folder / "images", scenes, "{:016x}.png")
    for entry, scene in zip(images, scenes, strict=True):
        entry |= {"domain": scene.domain, "open_images_id": entry["file_name"].removesuffix(".png")}
    draw = Draw("nocaps captions")
    texts = [
        (image_id, write(scene, writer, draw))
        for image_id, scene in enumerate(scenes, start=1)
        for writer in WRITERS[:REFERENCES]
    ]
    write_coco_captions(folder / "nocaps_val_4500_captions.json", texts, images)
    oracle = Draw("nocaps oracle")
    dump_json(
        folder / "oracle_captions.json",
        [
            {"image_id": image_id, "caption": write(scene, WRITERS[REFERENCES], oracle)}
            for image_id, scene in enumerate(scenes, start=1)
        ],
    )


def write_training(folder: Path, scenes: Sequence[Scene], seed: str, per_type: int) -> list[Json]:
    """Questions for all scenes, captions of the in-domain ones, descriptions, in COCO's names.

    Returns COCO's image entries.
    """
    images = write_images(folder / "train2014", scenes, "COCO_train2014_{:012d}.png")
    write_vqa(folder, scenes, "train2014", Draw(f"{seed} questions"), per_type)
    draw = Draw(f"{seed} captions")
    captions = [
        (image_id, write(scene, writer, draw))
        for image_id, scene in enumerate(scenes, start=1)
        if scene.domain == "in-domain"
        for writer in draw.sample(WRITERS, 2 * per_type)
    ]
    write_coco_captions(folder / "captions_train2014.json", captions, images)
    descriptions = [(image_id, describe(scene)) for image_id, scene in enumerate(scenes, start=1)]
    write_coco_captions(folder / "descriptions_train2014.json", descriptions, images)
    return images


def dump_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
