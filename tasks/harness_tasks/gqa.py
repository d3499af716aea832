"""GQA: compositional questions on Visual Genome photographs, one answer each.

Hudson and Manning, "GQA: A New Dataset for Real-World Visual Reasoning", CVPR 2019. Exact match
as LAVIS counts it (lavis/tasks/vqa.py, GQATask): the prediction is normalised like a VQA answer,
the ground truth is taken as it stands.
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
from harness_tasks.annotation_files import Row, find_image, read_json
from harness_tasks.metrics.vqa_accuracy import normalise_punctuation, normalise_words

QUESTIONS = "testdev_balanced_questions.json"
IMAGES = "images"


class GQA:
    """Exact match on the balanced test-dev questions, broken down by structural type."""

    name: ClassVar[str] = "gqa"
    profiles: ClassVar[tuple[Profile, ...]] = (
        Profile(name="lavis", prompt=lavis.QUESTION_PROMPT, generation=lavis.SHORT_ANSWER),
    )
    metric: ClassVar[Metric] = Metric(name="exact match", unit="%", scale=100, is_correctness=True)

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        if not folder.is_dir():
            raise DataError(folder, "no such folder")
        path = folder / QUESTIONS
        content = read_json(path)
        if not isinstance(content, dict):
            raise DataError(path, "an object of questions by id is needed")
        return [
            _example(Row(entry, path, f"question {key}"), key, folder, profile)
            for key, entry in content.items()
        ]

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        return asker.generate([example.sample for example in examples], profile.generation)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        return Scores(
            per_sample=[
                float(_normalise(text) == example.references[0])
                for text, example in zip(outputs, examples, strict=True)
            ]
        )

    def instructions(self) -> str:
        return (
            f"GQA: get the questions (v1.2) and images from "
            f"https://cs.stanford.edu/people/dorarad/gqa/download.html and put {QUESTIONS} and the "
            f"folder {IMAGES}/ into one folder"
        )


def _example(row: Row, key: str, folder: Path, profile: Profile) -> Example:
    image_id = row.get("imageId", str)
    prompt = lavis.ask(profile.prompt, row.get("question", str))
    label = row.child("types").get("structural", str) if "types" in row else ""
    return Example(
        sample=Sample(id=key, image=find_image(folder / IMAGES, image_id), prompt=prompt),
        references=(row.get("answer", str),),
        label=label,
        cluster=image_id,
    )


def _normalise(prediction: str) -> str:
    flat = prediction.replace("\n", " ").replace("\t", " ").strip()
    return normalise_words(normalise_punctuation(flat))


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [GQA]
