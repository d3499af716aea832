"""Question tasks' own train files, asked as the task asks: prompt = question, target = answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from harness.plugin import Sample, SamplePool
from harness_tasks import lavis
from harness_tasks.annotation_files import first_existing
from harness_tasks.calibration.source_files import source_path
from harness_tasks.calibration.views import Viewed
from harness_tasks.nlvr2_files import TRUTH_PROMPT, read_statements
from harness_tasks.question_files import Question, read_gqa, read_vqa


@dataclass(frozen=True)
class QuestionTrain(Viewed):
    """What the sources share; the target is the answer that most annotators gave."""

    name: ClassVar[str]

    prompt: str = lavis.QUESTION_PROMPT

    def read(self, folder: Path) -> list[Question]:
        """The questions of the train split."""
        raise NotImplementedError

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> SamplePool:
        questions = self.read(source_path(path, self.name))

        def make(position: int) -> Sample:
            asked = questions[position]
            sample = asked.example(self.prompt).sample
            return replace(sample, view=self.view(asked.image), target=asked.answer)

        return SamplePool(len(questions), lambda i: questions[i].id, make)


@dataclass(frozen=True)
class VQAv2Train(QuestionTrain):
    """VQAv2's train2014 questions."""

    name: ClassVar[str] = "vqav2-train"

    def read(self, folder: Path) -> list[Question]:
        return read_vqa(
            folder,
            "v2_OpenEnded_mscoco_train2014_questions.json",
            "v2_mscoco_train2014_annotations.json",
            "train2014",
        )


@dataclass(frozen=True)
class OKVQATrain(QuestionTrain):
    """OK-VQA's train2014 questions."""

    name: ClassVar[str] = "okvqa-train"

    def read(self, folder: Path) -> list[Question]:
        return read_vqa(
            folder,
            "OpenEnded_mscoco_train2014_questions.json",
            "mscoco_train2014_annotations.json",
            "train2014",
        )


@dataclass(frozen=True)
class GQATrain(QuestionTrain):
    """GQA's balanced train questions."""

    name: ClassVar[str] = "gqa-train"

    def read(self, folder: Path) -> list[Question]:
        return read_gqa(folder, "train_balanced_questions.json")


@dataclass(frozen=True)
class NLVR2Train:
    """NLVR2's train sentences as yes/no questions on both photographs."""

    name: ClassVar[str] = "nlvr2-train"

    prompt: str = TRUTH_PROMPT

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> SamplePool:
        folder = source_path(path, self.name)
        statements = list(read_statements(first_existing(folder, ["train.json"])))

        def make(position: int) -> Sample:
            statement = statements[position]
            left, right = statement.images
            return Sample(
                id=statement.id,
                image=left,
                second_image=right,
                prompt=self.prompt.format(statement.text),
                target="yes" if statement.is_true else "no",
            )

        return SamplePool(len(statements), lambda i: statements[i].id, make)
