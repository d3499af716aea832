"""GQA: compositional questions on Visual Genome photographs, one answer each.

Hudson and Manning, "GQA: A New Dataset for Real-World Visual Reasoning", CVPR 2019.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import Asker, Example, Manifest, Metric, Profile, Scores, Task, hookimpl
from harness_tasks import lavis, lmms_eval
from harness_tasks.manifests import manifest_of
from harness_tasks.metrics.exact_match import Rule, exact_match
from harness_tasks.question_files import read_gqa

QUESTIONS = "testdev_balanced_questions.json"
RULES: Mapping[str, Rule] = {
    "lavis": "lavis",
    "official": "official",
    "lmms-eval": "lmms-eval",
    "vlmevalkit": "vlmevalkit",
}


class GQA:
    """Exact match on the balanced test-dev questions, broken down by structural type."""

    name: ClassVar[str] = "gqa"
    manifest: ClassVar[Manifest] = manifest_of("gqa")
    metric: ClassVar[Metric] = Metric(name="exact match", unit="%", scale=100, is_correctness=True)
    profiles: ClassVar[tuple[Profile, ...]] = (
        *lavis.short_answers("lavis"),
        *lavis.short_answers("official"),
        *(
            Profile(name=name, prompt=lmms_eval.QUESTION_PROMPT, generation=lmms_eval.SHORT_ANSWER)
            for name in ("lmms-eval", "vlmevalkit")
        ),
    )

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        return [question.example(profile.prompt) for question in read_gqa(folder, QUESTIONS)]

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        return asker.generate([example.sample for example in examples], profile.generation)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        rule = RULES[profile.name]
        return Scores(
            per_sample=[
                exact_match(text, example.references[0], rule)
                for text, example in zip(outputs, examples, strict=True)
            ]
        )


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [GQA]
