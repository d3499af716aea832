"""Question files of VQA v2 and OK-VQA (one format) and of GQA, for every split."""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.plugin import DataError, Example, Once, Row, Sample, brief
from harness_tasks import lavis
from harness_tasks.annotation_files import Images, read_members, read_rows

GQA_IMAGES = "images"
#: Of a question of VQA v2 and OK-VQA; the accuracy is defined on ten (Antol et al., 2015).
ANNOTATORS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question on one image."""

    id: str
    image_id: str
    text: str
    answers: tuple[str, ...]
    """One per annotator; GQA has one in all."""
    label: str = ""
    """Answer type, of GQA the structural type."""
    image: Path
    """Its image's file."""

    @property
    def answer(self) -> str:
        """What most annotators said; of equals, what was said first."""
        return Counter(self.answers).most_common(1)[0][0]

    def example(self, prompt: str, choices: tuple[str, ...] = ()) -> Example:
        """The question as an evaluated item, asked with that prompt."""
        return Example(
            sample=Sample(id=self.id, image=self.image, prompt=lavis.ask(prompt, self.text)),
            references=self.answers,
            choices=choices,
            label=self.label,
            cluster=self.image_id,
        )


class _Asked(NamedTuple):
    text: str
    image_id: int | None
    place: str


def read_vqa(folder: Path, questions: str, annotations: str, split: str) -> list[Question]:
    """Answered questions in the order of the annotations file.

    Args:
        questions: Name of the questions file; `annotations` likewise.
        split: COCO's name of the split and of the images' folder, e.g. ``val2014``.

    Raises:
        DataError: A file or a field is missing, the files do not have the same questions, once
            each and on the same images, or a question has not ten answers.
    """
    if not folder.is_dir():
        raise DataError(folder, "no such folder")
    asked = _read_asked(folder / questions)
    images, once = Images(folder / split), Once("question_id")
    found = []
    for row in read_rows(folder / annotations, "annotations"):
        question_id = row.get("question_id", int)
        once.take(question_id, row)
        if question_id not in asked:
            raise row.fault(f"{questions} has no question {brief(question_id)}")
        found.append(_vqa_question(row, asked.pop(question_id), images, split))
    if asked:
        question_id, question = next(iter(asked.items()))
        more = f"; {len(asked) - 1:,} more have none" if asked.keys() - {question_id} else ""
        raise DataError(
            folder / questions,
            f"question_id {brief(question_id)} has no annotation in {annotations}{more}",
            question.place,
        )
    return found


def _read_asked(path: Path) -> dict[int, _Asked]:
    """Questions by their ids."""
    asked: dict[int, _Asked] = {}
    once = Once("question_id")
    for row in read_rows(path, "questions"):
        question_id = row.get("question_id", int)
        once.take(question_id, row)
        image_id = row.get("image_id", int) if "image_id" in row else None
        asked[question_id] = _Asked(row.get("question", str), image_id, row.place)
    return asked


def _vqa_question(row: Row, asked: _Asked, images: Images, split: str) -> Question:
    image_id = row.get("image_id", int)
    if asked.image_id not in (None, image_id):
        other = brief(asked.image_id)
        raise row.fault(f"field 'image_id' is {brief(image_id)}, that of its question {other}")
    answers = row.texts_of("answers", "answer")
    if len(answers) != ANNOTATORS:
        raise row.fault(f"field 'answers' has {len(answers)} entries, not {ANNOTATORS}")
    return Question(
        id=str(row["question_id"]),
        image_id=sys.intern(str(image_id)),
        text=asked.text,
        answers=tuple(map(sys.intern, answers)),
        label=sys.intern(row.get("answer_type", str)),
        image=images.find(f"COCO_{split}_{image_id:012d}", row, "image_id"),
    )


def read_gqa(folder: Path, questions: str) -> list[Question]:
    """Questions in the order of the file; its images lie in ``images/``.

    Raises:
        DataError: The file or a field is missing.
    """
    if not folder.is_dir():
        raise DataError(folder, "no such folder")
    path, images = folder / questions, Images(folder / GQA_IMAGES)
    return [
        _gqa_question(key, Row(entry, path, f"question {brief(key)}"), images)
        for key, entry in read_members(path)
    ]


def _gqa_question(key: str, row: Row, images: Images) -> Question:
    image_id = row.get("imageId", str)
    return Question(
        id=key,
        image_id=image_id,
        text=row.get("question", str),
        answers=(row.get("answer", str),),
        label=row.child("types").get("structural", str) if "types" in row else "",
        image=images.find(image_id, row, "imageId"),
    )
