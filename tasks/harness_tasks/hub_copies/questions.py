"""VQAv2, OK-VQA, GQA and NLVR2."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from harness.plugin import HubCopy, HubTables, Once, Row, brief
from harness_tasks.hub_copies.writing import (
    content_name,
    image_bytes,
    number_in,
    suffix_of,
    write_bytes,
    write_json,
    write_json_lines,
)

#: Digits by which OK-VQA's question id is longer than its image id.
OKVQA_IDS = 10
#: Columns of texts that stand in an annotation as they are.
TEXTS = ("question_type", "answer_type", "multiple_choice_answer")
LABELS = ("True", "False")


def write_vqav2(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``v2_*.json`` and ``val2014/``; an image that many questions share is written once."""
    _write_vqa(tables, folder, copy, "v2_", lambda row: number_in(row, "image_id"))


def write_okvqa(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """The same without ``v2_``; a question's id is its image's id and one digit."""
    _write_vqa(tables, folder, copy, "", lambda row: number_in(row, "question_id") // OKVQA_IDS)


def _write_vqa(
    tables: HubTables, folder: Path, copy: HubCopy, prefix: str, image_of: Callable[[Row], int]
) -> None:
    once = Once("question_id")
    questions: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    fields = [column for column in copy.tables[0].columns if column != "image"]
    for row in tables.fields("rows", *fields):
        key = {"image_id": image_of(row), "question_id": number_in(row, "question_id")}
        once.take(key["question_id"], row)
        questions.append({**key, "question": row.get("question", str)})
        types = {name: row.get(name, str) for name in fields if name in TEXTS}
        annotations.append({**key, **types, "answers": list(_answers(row))})
    for asked, row in zip(questions, tables.rows("rows"), strict=True):
        image = image_bytes(row, "image")
        name = f"COCO_val2014_{asked['image_id']:012d}{suffix_of(image)}"
        write_bytes(folder / "val2014" / name, image)
    by_id = itemgetter("question_id")
    write_json(
        folder / f"{prefix}OpenEnded_mscoco_val2014_questions.json",
        {"data_subtype": "val2014", "questions": sorted(questions, key=by_id)},
    )
    write_json(
        folder / f"{prefix}mscoco_val2014_annotations.json",
        {"data_subtype": "val2014", "annotations": sorted(annotations, key=by_id)},
    )


def _answers(row: Row) -> Iterator[Mapping[str, Any]]:
    """VQAv2's copy has objects, OK-VQA's has strings."""
    if all(isinstance(answer, str) for answer in row.get("answers", list)):
        for number, text in enumerate(row.texts("answers"), start=1):
            yield {"answer": text, "answer_id": number}
    else:
        row.texts_of("answers", "answer")
        yield from row["answers"]


def write_gqa(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``testdev_balanced_questions.json`` and ``images/``, joined by the image's id."""
    once, names = Once("id"), Once("id")
    fields = ("imageId", "question", "answer", "fullAnswer", "types", "groups")
    questions = {}
    for row in tables.fields("questions", "id", *fields):
        once.take(row.get("id", str), row)
        questions[row["id"]] = {key: row[key] for key in fields}
    for row in tables.fields("images", "id"):
        names.take(row.get("id", str), row)
        row.file("id", folder / "images", f"{row['id']}.jpg")
    for row in tables.rows("images"):
        image = image_bytes(row, "image")
        write_bytes(folder / "images" / f"{row['id']}{suffix_of(image)}", image)
    write_json(folder / "testdev_balanced_questions.json", dict(sorted(questions.items())))


def write_nlvr2(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``test1.json`` and ``test1/``; a pair's identifier is made of what it shows and says."""
    said = []
    for row in tables.fields("rows", "question", "answer"):
        label = str(row["answer"]).strip().capitalize()
        if label not in LABELS:
            raise row.fault(f"column 'answer' is {brief(row['answer'])}, neither True nor False")
        said.append((row.get("question", str), label))
    rows = []
    seen: Counter[str] = Counter()
    for (sentence, label), row in zip(said, tables.rows("rows"), strict=True):
        left, right = image_bytes(row, "left_image"), image_bytes(row, "right_image")
        pair = f"test1-{content_name(left, right, sentence.encode())}-0"
        for side, image in enumerate((left, right)):
            write_bytes(folder / "test1" / f"{pair}-img{side}.png", image)
        rows.append({"identifier": f"{pair}-{seen[pair]}", "sentence": sentence, "label": label})
        seen[pair] += 1
    write_json_lines(folder / "test1.json", sorted(rows, key=itemgetter("identifier")))
