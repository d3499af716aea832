"""Question files of VQA v2 and OK-VQA (one format) and of GQA, for every split."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.plugin import DataError, Example, Sample
from harness_tasks import lavis
from harness_tasks.annotation_files import Row, find_image, read_json, read_rows

GQA_IMAGES = "images"


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
    folder: Path
    """Where its image lies."""
    stem: str
    """The image's name without suffix."""

    @property
    def image(self) -> Path:
        """The image's file."""
        return find_image(self.folder, self.stem)

    @property
    def answer(self) -> str:
        """What most annotators said; of equals, what was said first."""
        return Counter(self.answers).most_common(1)[0][0]

    def example(self, prompt: str) -> Example:
        """The question as an evaluated item, asked with that prompt."""
        return Example(
            sample=Sample(id=self.id, image=self.image, prompt=lavis.ask(prompt, self.text)),
            references=self.answers,
            label=self.label,
            cluster=self.image_id,
        )


def read_vqa(folder: Path, questions: str, annotations: str, split: str) -> list[Question]:
    """Answered questions in the order of the annotations file.

    Args:
        questions: Name of the questions file; `annotations` likewise.
        split: COCO's name of the split and of the images' folder, e.g. ``val2014``.

    Raises:
        DataError: A file or a field is missing, or a question.
    """
    if not folder.is_dir():
        raise DataError(folder, "no such folder")
    texts = {
        row.get("question_id", int): row.get("question", str)
        for row in read_rows(folder / questions, "questions")
    }
    found = []
    for row in read_rows(folder / annotations, "annotations"):
        question_id, image_id = row.get("question_id", int), row.get("image_id", int)
        if question_id not in texts:
            raise DataError(folder / questions, f"has no question {question_id}")
        found.append(
            Question(
                id=str(question_id),
                image_id=str(image_id),
                text=texts[question_id],
                answers=tuple(answer.get("answer", str) for answer in row.rows("answers")),
                label=row.get("answer_type", str),
                folder=folder / split,
                stem=f"COCO_{split}_{image_id:012d}",
            )
        )
    return found


def read_gqa(folder: Path, questions: str) -> list[Question]:
    """Questions in the order of the file; its images lie in ``images/``.

    Raises:
        DataError: The file or a field is missing.
    """
    if not folder.is_dir():
        raise DataError(folder, "no such folder")
    path = folder / questions
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(path, "an object of questions by id is needed")
    return [
        _gqa_question(key, Row(entry, path, f"question {key}"), folder / GQA_IMAGES)
        for key, entry in content.items()
    ]


def _gqa_question(key: str, row: Row, images: Path) -> Question:
    image_id = row.get("imageId", str)
    return Question(
        id=key,
        image_id=image_id,
        text=row.get("question", str),
        answers=(row.get("answer", str),),
        label=row.child("types").get("structural", str) if "types" in row else "",
        folder=images,
        stem=image_id,
    )
