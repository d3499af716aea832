"""Evaluation: batches, blindness, resuming, subsets, and what a model cannot do."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError, InputError, RunError, UnknownNameError
from harness.evaluation import blind, breakdown, evaluate
from harness.model import Model
from harness.plugin import Generation, Profile, Sample, Scores
from harness.plugin.manager import Plugins
from harness.spec import DataSpec, GenerationSpec, SubsetSpec, TaskSpec
from harness.tasks import OpenTask, open_task
from tests.tiny import make_samples

MakeModel = Callable[[str], Model]


@pytest.fixture
def gqa_folder(tmp_path: Path) -> Path:
    """Twelve questions on six images in GQA's format."""
    folder = tmp_path / "gqa"
    (folder / "images").mkdir(parents=True)
    make_samples("vit", folder / "images")
    questions = {
        f"q{index}": {
            "question": "Is it a red photo?",
            "answer": "yes" if index % 2 else "no",
            "imageId": str(index % 6),
            "types": {"structural": "verify" if index < 4 else "query"},
        }
        for index in range(12)
    }
    (folder / "testdev_balanced_questions.json").write_text(json.dumps(questions))
    return folder


@pytest.fixture
def gqa(
    gqa_folder: Path, tiny_model: MakeModel, plugins: Plugins, tmp_path: Path
) -> tuple[Model, OpenTask]:
    model = tiny_model("blip2_t5")
    data = DataSpec(folders={"gqa": gqa_folder})
    return model, open_task(TaskSpec(name="gqa"), data, tmp_path, model, plugins)


def run(model: Model, task: OpenTask, resume: Path, **changes: Any) -> Any:
    options = {"batch_size": 5, "is_blind": False, "progress": lambda *_: None} | changes
    return evaluate(model, task, resume=resume, **options)


def answering(model: Model, answer: Callable[[Sample], str]) -> list[int]:
    """Make the model answer by a function; returns the list of its batch sizes."""
    sizes: list[int] = []

    def generate(samples: Sequence[Sample], generation: Generation) -> list[str]:
        sizes.append(len(samples))
        return [answer(sample) for sample in samples]

    model.loaded.generate = generate
    return sizes


def test_a_constant_answer_scores_what_it_should(
    gqa: tuple[Model, OpenTask], tmp_path: Path
) -> None:
    model, task = gqa
    sizes = answering(model, lambda _: "Yes.")

    evaluation = run(model, task, tmp_path / "r")

    assert sizes == [5, 5, 2]
    assert evaluation.items.main() == 50.0
    assert breakdown(task, evaluation.items) == (
        {"query": 50.0, "verify": 50.0},
        {"query": 8, "verify": 4},
    )
    assert evaluation.items.cluster_count == 6


def test_what_is_in_the_resume_log_is_not_asked_again(
    gqa: tuple[Model, OpenTask], tmp_path: Path
) -> None:
    model, task = gqa
    answering(model, lambda sample: "yes" if int(sample.id[1:]) % 2 else "no")
    whole = run(model, task, tmp_path / "whole")
    lines = (tmp_path / "whole").read_text().splitlines(keepends=True)
    (tmp_path / "part").write_text("".join(lines[:2]))
    sizes = answering(model, lambda sample: "yes" if int(sample.id[1:]) % 2 else "no")

    resumed = run(model, task, tmp_path / "part")

    assert sizes == [2]
    assert resumed.outputs == whole.outputs
    assert resumed.items.main() == 100.0


def test_a_run_goes_on_at_another_batch_size(gqa: tuple[Model, OpenTask], tmp_path: Path) -> None:
    model, task = gqa
    answering(model, lambda sample: sample.id)
    whole = run(model, task, tmp_path / "log")
    lines = (tmp_path / "log").read_text().splitlines(keepends=True)
    (tmp_path / "log").write_text("".join(lines[:1]))
    sizes = answering(model, lambda sample: sample.id)

    resumed = run(model, task, tmp_path / "log", batch_size=3)

    assert sizes == [3, 3, 1]
    assert resumed.outputs == whole.outputs
    assert resumed.batch_sizes == {3: 7, 5: 5}


def test_blind_examples_all_show_another_image(gqa: tuple[Model, OpenTask]) -> None:
    _, task = gqa

    shown = blind(task.examples)

    pairs = list(zip(task.examples, shown, strict=True))
    assert all(a.sample.image != b.sample.image for a, b in pairs)
    assert all(a.sample.id == b.sample.id and a.references == b.references for a, b in pairs)
    assert {e.sample.image for e in shown} == {e.sample.image for e in task.examples}


def test_a_nan_score_fails_the_cell(gqa: tuple[Model, OpenTask], tmp_path: Path) -> None:
    model, task = gqa
    answering(model, lambda _: "yes")

    class Broken(type(task.task)):
        def score(self, examples: Any, outputs: Any, profile: Profile) -> Scores:
            return Scores(per_sample=[float("nan"), *[0.0] * (len(examples) - 1)])

    object.__setattr__(task, "task", Broken())

    with pytest.raises(RunError, match="the score of 1 items is NaN, first q0"):
        run(model, task, tmp_path / "r")


def scored_as(task: OpenTask, **scores: Any) -> None:
    """Make the task give these scores."""

    class Other(type(task.task)):
        def score(self, examples: Any, outputs: Any, profile: Profile) -> Scores:
            return Scores(**scores)

    object.__setattr__(task, "task", Other())


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ({"per_sample": (), "absent": {"exact match": "none here"}}, "none here"),
        (
            {"per_sample": [1.0] * 12, "weights": [0.0] * 12},
            "the weights of its 12 items are all 0",
        ),
    ],
)
def test_an_undefined_score_is_none_and_nothing_in_the_log_is_a_number(
    gqa: tuple[Model, OpenTask], tmp_path: Path, scores: dict[str, Any], why: str
) -> None:
    model, task = gqa
    answering(model, lambda _: "yes")
    scored_as(task, **scores)

    evaluation = run(model, task, tmp_path / "r")

    assert evaluation.items is None
    assert evaluation.scores.absent == {"exact match": why}
    assert breakdown(task, None) == ({}, {"query": 8, "verify": 4})
    assert {(row["score"], row["weight"]) for row in evaluation.log(task)} == {(None, None)}
    assert {row["output"] for row in evaluation.log(task)} == {"yes"}


def test_a_label_whose_items_weigh_nothing_has_no_score(
    gqa: tuple[Model, OpenTask], tmp_path: Path
) -> None:
    model, task = gqa
    answering(model, lambda _: "yes")
    scored_as(task, per_sample=[0.5] * 12, weights=[0.0] * 4 + [1.0] * 8)

    evaluation = run(model, task, tmp_path / "r")

    assert breakdown(task, evaluation.items) == ({"query": 50.0}, {"query": 8, "verify": 4})


def test_a_further_metric_that_is_no_number_is_absent(
    gqa: tuple[Model, OpenTask], tmp_path: Path
) -> None:
    model, task = gqa
    answering(model, lambda _: "yes")
    scored_as(task, per_sample=[1.0] * 12, metrics={"mcc": math.nan, "f1": 0.5})

    scores = run(model, task, tmp_path / "r").scores

    assert scores.metrics == {"f1": 0.5}
    assert scores.absent == {"mcc": "undefined here: its value is NaN"}


def test_one_image_cannot_be_blind(
    gqa_folder: Path, tiny_model: MakeModel, plugins: Plugins, tmp_path: Path
) -> None:
    """Its questions would be shown the very image they are about."""
    data = DataSpec(folders={"gqa": gqa_folder})
    model = tiny_model("blip2_t5")

    one, two = (
        open_task(TaskSpec(name="gqa", limit=limit), data, tmp_path, model, plugins)
        for limit in (1, 2)
    )

    assert (one.can_be_blind, two.can_be_blind) == (False, True)


def test_a_changed_prompt_changes_the_profiles_identity(
    gqa_folder: Path, tiny_model: MakeModel, plugins: Plugins, tmp_path: Path
) -> None:
    data = DataSpec(folders={"gqa": gqa_folder})
    spec = TaskSpec(
        name="gqa", prompt="question : {words}", generation=GenerationSpec(num_beams=1), limit=3
    )

    task = open_task(spec, data, tmp_path, tiny_model("blip2_t5"), plugins)

    assert task.profile_identity.label == "lavis*"
    assert task.profile_identity.generation["num_beams"] == 1
    assert task.examples[0].sample.prompt == "question : is it a red photo"
    assert task.data.part == "first 3"


@pytest.mark.parametrize(
    ("spec", "data", "kind", "error", "message"),
    [
        (TaskSpec(name="vqa2"), {}, "blip2_t5", UnknownNameError, "did you mean vqav2"),
        (TaskSpec(name="gqa", profile="x"), {}, "blip2_t5", UnknownNameError, "gqa profile 'x'"),
        (TaskSpec(name="gqa"), {}, "vit", InputError, "needs a model that can generate"),
        (TaskSpec(name="imagenet"), {}, "llama", InputError, "needs a model that can classify"),
        (
            TaskSpec(name="wikitext", profile="w4096"),
            {},
            "llama",
            InputError,
            "needs a model that can read 4096 tokens at once",
        ),
        (
            TaskSpec(name="gqa"),
            {},
            "blip2_t5",
            DataError,
            "no such folder. GQA, balanced",
        ),
        (TaskSpec(name="gqa"), {"edition": "mni"}, "blip2_t5", UnknownNameError, "mean mini"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    spec: TaskSpec,
    data: dict[str, Any],
    kind: str,
    error: type[Exception],
    message: str,
    tiny_model: MakeModel,
    plugins: Plugins,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        open_task(spec, DataSpec(**data), tmp_path, tiny_model(kind), plugins)


def test_a_subset_beyond_the_items_is_refused(
    gqa_folder: Path, tiny_model: MakeModel, plugins: Plugins, tmp_path: Path
) -> None:
    data = DataSpec(folders={"gqa": gqa_folder})
    spec = TaskSpec(name="gqa", subset=SubsetSpec(start=100))

    with pytest.raises(InputError, match="@100: reaches beyond the 12 items"):
        open_task(spec, data, tmp_path, tiny_model("blip2_t5"), plugins)
