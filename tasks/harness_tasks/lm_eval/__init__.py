"""Every text task and group of EleutherAI's lm-evaluation-harness, asked of the live model.

lm-eval reads the data, writes the prompts, asks the model, filters and judges: the main score and
all further metrics are its own (``lm_eval.simple_evaluate``). Ours are batches that resume, scores
per item and the paired statistics that follow from them.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import Asker, Example, Manifest, Metric, Profile, Scores, Task, hookimpl
from harness_tasks.lm_eval.asking import make_respondent
from harness_tasks.lm_eval.documents import Document, build_documents, digest_tasks, to_example
from harness_tasks.lm_eval.loading import (
    Suite,
    find_manager,
    load_suite,
    set_shots,
    templates_compiled_once,
    why_no_lm_eval,
)
from harness_tasks.lm_eval.scoring import MainMetric, choose_main, score_documents

#: Examples in the prompt; the empty one leaves them to the task.
SHOTS = ("", *(f"{count}shot" for count in (0, 1, 2, 3, 4, 5, 8, 10, 25)))
#: Main metrics; the empty one is the task's first.
METRICS = ("", "acc_norm")
#: Main metrics of tasks whose first one may not do.
FURTHER_METRICS = ("acc", "exact_match", "byte_perplexity", "bits_per_byte")


def profile_name(shots: str, metric: str) -> str:
    """``default``, ``5shot``, ``acc_norm`` or ``5shot-acc_norm``."""
    return "-".join(filter(None, (shots, metric))) or "default"


class LmEval:
    """One of lm-eval's tasks or groups, by its name there."""

    name: ClassVar[str] = "lm_eval"
    argument: ClassVar[str] = "name of a task or group of lm-eval"
    manifest: ClassVar[Manifest] = Manifest(
        task="lm_eval",
        title="Task files of lm-eval",
        page="https://github.com/EleutherAI/lm-evaluation-harness",
        note=(
            "Put YAML files of your own into one folder, or name one of lm-eval's tasks, whose "
            "data it takes from the local Hugging Face cache"
        ),
    )
    profiles: ClassVar[tuple[Profile, ...]] = tuple(
        Profile(name=profile_name(shots, metric), needs=("language-model",))
        for metric, shots in (*product(METRICS, SHOTS), *product(FURTHER_METRICS, ("",)))
    )

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        return {"": why} if (why := why_no_lm_eval()) else {}

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._suite: Suite | None = None
        self._main: MainMetric | None = None
        self._documents: dict[str, Document] = {}

    @property
    def metric(self) -> Metric:
        """The task's main metric, known once its examples are read."""
        return self._main.metric if self._main else Metric(name="the task's own")

    def names_in(self, folder: Path) -> Sequence[str]:
        names: list[str] = find_manager(folder).all_tasks
        return names

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        shots, metric = _read_profile(profile)
        suite = load_suite(self._wanted, folder)
        self._main = choose_main(suite, metric)
        set_shots(list(suite.tasks.values()), shots)
        self._suite = suite
        with templates_compiled_once():
            self._documents = {document.id: document for document in build_documents(suite)}
            return [to_example(document, suite) for document in self._documents.values()]

    def fingerprint(self) -> dict[str, str]:
        """lm-eval's version and what its task files say."""
        assert self._suite is not None
        return {
            "task": self._wanted,
            "lm-eval": version("lm-eval"),
            "config": digest_tasks(self._suite),
        }

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        documents = [self._documents[example.sample.id] for example in examples]
        respond = make_respondent(asker.model)
        return asker.in_batches("requests", documents, respond, lambda document: document.length)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        assert self._suite is not None
        assert self._main is not None
        documents = [self._documents[example.sample.id] for example in examples]
        with templates_compiled_once():
            return score_documents(self._suite, documents, outputs, self._main)


def _read_profile(profile: Profile) -> tuple[int | None, str]:
    """Number of shots, None = the task's own, and the main metric, "" = the task's first."""
    shots, metric = next(
        (shots, metric)
        for metric in (*METRICS, *FURTHER_METRICS)
        for shots in SHOTS
        if profile_name(shots, metric) == profile.name
    )
    return (int(shots.removesuffix("shot")) if shots else None), metric


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [LmEval]
