"""VQAv2: open questions on COCO photographs, ten answers each.

Goyal et al., "Making the V in VQA Matter", CVPR 2017. Reads the official validation files.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import (
    Asker,
    DataError,
    Example,
    Metric,
    Profile,
    Sample,
    Scores,
    Task,
    hookimpl,
)
from harness_tasks import lavis
from harness_tasks.annotation_files import find_image, read_rows
from harness_tasks.metrics.vqa_accuracy import Rule, vqa_accuracy

QUESTIONS = "v2_OpenEnded_mscoco_val2014_questions.json"
ANNOTATIONS = "v2_mscoco_val2014_annotations.json"
IMAGES = "val2014"
#: Both ask as LAVIS does; they differ in how answers are normalised.
RULES: tuple[Rule, ...] = ("lavis", "official")


class VQAv2:
    """VQA accuracy on the validation questions, broken down by answer type."""

    name: ClassVar[str] = "vqav2"
    profiles: ClassVar[tuple[Profile, ...]] = tuple(
        Profile(name=rule, prompt=lavis.QUESTION_PROMPT, generation=lavis.SHORT_ANSWER)
        for rule in RULES
    )
    metric: ClassVar[Metric] = Metric(name="VQA accuracy", unit="%", scale=100, is_correctness=True)

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        if not folder.is_dir():
            raise DataError(folder, "no such folder")
        questions = {
            row.get("question_id", int): row.get("question", str)
            for row in read_rows(folder / QUESTIONS, "questions")
        }
        examples = []
        for row in read_rows(folder / ANNOTATIONS, "annotations"):
            question_id, image_id = (row.get("question_id", int), row.get("image_id", int))
            if question_id not in questions:
                raise DataError(folder / QUESTIONS, f"has no question {question_id}")
            prompt = lavis.ask(profile.prompt, questions[question_id])
            image = find_image(folder / IMAGES, f"COCO_val2014_{image_id:012d}")
            examples.append(
                Example(
                    sample=Sample(id=str(question_id), image=image, prompt=prompt),
                    references=tuple(answer.get("answer", str) for answer in row.rows("answers")),
                    label=row.get("answer_type", str),
                    cluster=str(image_id),
                )
            )
        return examples

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        return asker.generate([example.sample for example in examples], profile.generation)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        rule = next(rule for rule in RULES if rule == profile.name)
        return Scores(
            per_sample=[
                vqa_accuracy(text, example.references, rule)
                for text, example in zip(outputs, examples, strict=True)
            ]
        )

    def instructions(self) -> str:
        return (
            f"VQAv2: get the validation questions, annotations and COCO val2014 images from "
            f"https://visualqa.org/download.html and put {QUESTIONS}, {ANNOTATIONS} and the folder "
            f"{IMAGES}/ into one folder"
        )


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [VQAv2]
