"""What VQAv2 and OK-VQA share: the VQA data set's files and its accuracy."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import Asker, Example, Metric, Profile, Row, Scores
from harness_tasks import lavis
from harness_tasks.annotation_files import read_json
from harness_tasks.metrics.vqa_accuracy import Rule, vqa_accuracy
from harness_tasks.question_files import read_vqa

SPLIT = "val2014"


class OpenQuestions:
    """VQA accuracy on questions with ten answers each."""

    name: ClassVar[str]
    metric: ClassVar[Metric] = Metric(name="VQA accuracy", unit="%", scale=100, is_correctness=True)
    profiles: ClassVar[tuple[Profile, ...]]
    rules: ClassVar[Mapping[str, Rule]]
    """How answers are normalised, by profile."""
    questions: ClassVar[str]
    annotations: ClassVar[str]

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        ranks = "rank" in profile.needs
        choices = read_answer_list(folder / lavis.ANSWER_LIST) if ranks else ()
        return [
            question.example(profile.prompt, choices)
            for question in read_vqa(folder, self.questions, self.annotations, SPLIT)
        ]

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        samples = [example.sample for example in examples]
        if "rank" in profile.needs:
            return asker.rank(samples, examples[0].choices, tried=lavis.CANDIDATES)
        return asker.generate(samples, profile.generation)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        rule = self.rules[profile.name]
        return Scores(
            per_sample=[
                vqa_accuracy(text, example.references, rule)
                for text, example in zip(outputs, examples, strict=True)
            ]
        )


def read_answer_list(path: Path) -> tuple[str, ...]:
    """The answers that BLIP ranks, a JSON list of texts; LAVIS has it with its VQA data.

    Raises:
        DataError: The file is missing or something else.
    """
    return tuple(Row({"answers": read_json(path)}, path, "the list").texts("answers"))
