"""NLVR2: is a sentence true of a pair of photographs?

Suhr et al., "A Corpus for Reasoning about Natural Language Grounded in Photographs", ACL 2019.
Reads the official JSON lines: ``test1.json`` is test-P. A model with a head for pairs is asked for
its verdict; any other that answers questions is shown the pair side by side.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import (
    Asker,
    Example,
    Generation,
    Manifest,
    Metric,
    Profile,
    Sample,
    Scores,
    Task,
    hookimpl,
)
from harness_tasks.manifests import manifest_of
from harness_tasks.nlvr2_files import TRUTH_PROMPT, Statement, read_statements

#: What texts and verdicts mean.
VERDICTS = {"yes": "True", "true": "True", "no": "False", "false": "False"}


class NLVR2:
    """Accuracy on the public test sentences; an answer that is neither yes nor no is wrong."""

    name: ClassVar[str] = "nlvr2"
    manifest: ClassVar[Manifest] = manifest_of("nlvr2")
    metric: ClassVar[Metric] = Metric(name="accuracy", unit="%", scale=100, is_correctness=True)
    profiles: ClassVar[tuple[Profile, ...]] = (
        Profile(name="lavis", needs=("judge",), prompt="{}"),
        Profile(
            name="side-by-side",
            prompt=TRUTH_PROMPT,
            generation=Generation(num_beams=5, max_new_tokens=5, min_length=1),
        ),
    )

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        path = folder / self.manifest.layout_in(folder).files[0].path
        return [_example(statement, profile.prompt) for statement in read_statements(path)]

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        samples = [example.sample for example in examples]
        if profile.name == "lavis":
            return asker.judge(samples)
        return asker.generate(samples, profile.generation)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        return Scores(
            per_sample=[
                float(VERDICTS.get(str(output).strip(" .").lower(), "") == example.references[0])
                for output, example in zip(outputs, examples, strict=True)
            ]
        )


def _example(statement: Statement, prompt: str) -> Example:
    left, right = statement.images
    text = prompt.format(statement.text)
    return Example(
        sample=Sample(id=statement.id, image=left, second_image=right, prompt=text),
        references=(str(statement.is_true),),
        cluster=statement.pair,
    )


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [NLVR2]
