"""VQAv2, OK-VQA, GQA and NLVR2."""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from harness.plugin import HubCopy, HubTables
from harness_tasks.hub_copies.writing import (
    content_name,
    image_bytes,
    suffix_of,
    write_bytes,
    write_json,
    write_json_lines,
)

Row = Mapping[str, Any]
#: Digits by which OK-VQA's question id is longer than its image id.
OKVQA_IDS = 10


def write_vqav2(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``v2_*.json`` and ``val2014/``; an image that many questions share is written once."""
    rows = ((row, int(row["image_id"])) for row in tables.rows("rows"))
    _write_vqa(rows, folder, "v2_")


def write_okvqa(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """The same without ``v2_``; a question's id is its image's id and one digit."""
    rows = ((row, int(row["question_id"]) // OKVQA_IDS) for row in tables.rows("rows"))
    _write_vqa(rows, folder, "")


def _write_vqa(rows: Iterable[tuple[Row, int]], folder: Path, prefix: str) -> None:
    questions, annotations = [], []
    for row, image_id in rows:
        image = image_bytes(row, "image")
        name = f"COCO_val2014_{image_id:012d}{suffix_of(image)}"
        write_bytes(folder / "val2014" / name, image)
        key = {"image_id": image_id, "question_id": int(row["question_id"])}
        questions.append({**key, "question": row["question"]})
        annotations.append(
            {
                **key,
                "question_type": row["question_type"],
                "answer_type": row["answer_type"],
                **{k: row[k] for k in ("multiple_choice_answer",) if k in row},
                "answers": list(_answers(row["answers"])),
            }
        )
    by_id = itemgetter("question_id")
    write_json(
        folder / f"{prefix}OpenEnded_mscoco_val2014_questions.json",
        {"data_subtype": "val2014", "questions": sorted(questions, key=by_id)},
    )
    write_json(
        folder / f"{prefix}mscoco_val2014_annotations.json",
        {"data_subtype": "val2014", "annotations": sorted(annotations, key=by_id)},
    )


def _answers(answers: Iterable[Any]) -> Iterator[Row]:
    """VQAv2's copy has objects, OK-VQA's has strings."""
    for number, answer in enumerate(answers, start=1):
        yield answer if isinstance(answer, Mapping) else {"answer": answer, "answer_id": number}


def write_gqa(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``testdev_balanced_questions.json`` and ``images/``, joined by the image's id."""
    for row in tables.rows("images"):
        image = image_bytes(row, "image")
        write_bytes(folder / "images" / f"{row['id']}{suffix_of(image)}", image)
    fields = ("imageId", "question", "answer", "fullAnswer", "types", "groups")
    questions = {row["id"]: {key: row[key] for key in fields} for row in tables.rows("questions")}
    write_json(folder / "testdev_balanced_questions.json", dict(sorted(questions.items())))


def write_nlvr2(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``test1.json`` and ``test1/``; a pair's identifier is made of what it shows and says."""
    rows = []
    for row in tables.rows("rows"):
        left, right = image_bytes(row, "left_image"), image_bytes(row, "right_image")
        pair = f"test1-{content_name(left, right, row['question'].encode())}-0"
        for side, image in enumerate((left, right)):
            write_bytes(folder / "test1" / f"{pair}-img{side}.png", image)
        label = str(row["answer"]).strip().capitalize()
        rows.append({"identifier": f"{pair}-0", "sentence": row["question"], "label": label})
    write_json_lines(folder / "test1.json", sorted(rows, key=itemgetter("identifier")))
