"""What a task needs of a model: a bundled capability, or any protocol of its own."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

import pytest

from harness.errors import AbsentError, InputError, PartError
from harness.model import Model
from harness.plugin import (
    Example,
    Generates,
    LanguageModel,
    Manifest,
    Metric,
    Profile,
    Sample,
    Scores,
)
from harness.plugin.manager import Plugins, load_plugins
from harness.plugin.needs import capability, lacks, name_of
from harness.plugin.registry import Origin, Provider
from harness.spec import DataSpec, TaskSpec
from harness.tasks import choose_profile, open_task, open_tasks

MakeModel = Callable[[str], Model]


@runtime_checkable
class Segments(Protocol):
    """A stranger's capability."""

    palette: int

    def segment(self, samples: Sequence[Sample]) -> list[str]: ...


class Points(Protocol):
    """Another, that Python cannot check by itself."""

    def point(self, samples: Sequence[Sample]) -> list[str]: ...


class Outline:
    """A stranger's task that asks in a way the machine never heard of."""

    name = "outline"
    profiles = (Profile(name="plain", needs=(Segments,)),)
    manifest = Manifest(task="outline", title="Outline", page="a friend")
    metric = Metric(name="overlap")

    def examples(self, folder: Path, profile: Profile, encode: Any) -> list[Example]:
        return [Example(sample=Sample(id="a", prompt="where?"))]

    def ask(self, asker: Any, examples: Sequence[Example], profile: Profile) -> list[str]:
        return list(asker.model.segment([e.sample for e in examples]))

    def score(self, examples: Sequence[Example], outputs: Any, profile: Profile) -> Scores:
        return Scores(per_sample=[float(len(output)) for output in outputs])


@pytest.fixture
def world(tmp_path: Path) -> Plugins:
    plugins = load_plugins()
    origin = Origin(plugin="outline", distribution="harness-outline", version="0.1")
    plugins.tasks.add(Provider(name="outline", given=Outline, origin=origin))
    return plugins


def opened(model: Model, plugins: Plugins, folder: Path) -> Any:
    return open_task(
        TaskSpec(name="outline"), DataSpec(folders={"outline": folder}), folder, model, plugins
    )


def test_a_model_that_can_do_it_is_asked(
    tiny_model: MakeModel, world: Plugins, tmp_path: Path
) -> None:
    model = tiny_model("vit")
    model.loaded.palette, model.loaded.segment = 3, lambda samples: ["ab"] * len(samples)  # type: ignore[attr-defined]

    task = opened(model, world, tmp_path)

    assert task.profile.name == "plain"
    assert task.task.ask(SimpleNamespace(model=model.answers), task.examples, task.profile) == [
        "ab"
    ]


def test_of_one_that_cannot_the_missing_members_are_named(
    tiny_model: MakeModel, world: Plugins, tmp_path: Path
) -> None:
    model = tiny_model("vit")
    model.loaded.palette = 3  # type: ignore[attr-defined]

    with pytest.raises(
        AbsentError,
        match=r"task outline needs a model that can do what Segments says \(it has no segment\); "
        r"\S+ is of family vit",
    ):
        opened(model, world, tmp_path)
    tasks, absent = open_tasks(
        [TaskSpec(name="outline"), TaskSpec(name="other")],
        DataSpec(folders={"outline": tmp_path, "other": tmp_path}),
        tmp_path,
        model,
        _with_an_easy_task(world),
    )
    assert [task.name for task in tasks] == ["other"]
    assert len(absent) == 1


def _with_an_easy_task(plugins: Plugins) -> Plugins:
    origin = Origin(plugin="other", distribution="harness-outline", version="0.1")
    easy = type("Easy", (Outline,), {"name": "other", "profiles": (Profile(name="p", needs=()),)})
    plugins.tasks.add(Provider(name="other", given=easy, origin=origin))
    return plugins


def test_a_protocol_that_python_cannot_check_is_checked_by_its_members() -> None:
    assert lacks(SimpleNamespace(), Points) == "do what Points says (it has no point)"
    assert lacks(SimpleNamespace(point=print), Points) == ""


def test_members_of_base_protocols_count() -> None:
    class More(Segments, Points, Protocol):
        extra: int

    assert lacks(SimpleNamespace(palette=1), More) == (
        "do what More says (it has no extra, point, segment)"
    )


def test_bundled_capabilities_have_names() -> None:
    assert capability("generate") is Generates
    assert (name_of("generate"), name_of(Generates), name_of(Segments)) == (
        "generate",
        "generate",
        "Segments",
    )
    assert lacks(SimpleNamespace(), Generates) == "generate"
    assert lacks(SimpleNamespace(), LanguageModel) == "serve as a language model"


def test_an_unknown_name_is_refused_with_near_ones(
    tiny_model: MakeModel, world: Plugins, tmp_path: Path
) -> None:
    given = {"profiles": (Profile(name="plain", needs=("clasify",)),)}  # type: ignore[arg-type]
    [provider] = world.tasks._providers["outline"]
    changed = dataclasses.replace(provider, given=type("Outline", (Outline,), given))
    world.tasks._providers["outline"] = [changed]

    with pytest.raises(
        PartError,
        match="^task outline of harness-outline 0.1: unknown capability 'clasify'; did you mean "
        "classify.*; a protocol of your own is named by itself",
    ):
        opened(tiny_model("vit"), world, tmp_path)


def test_a_profile_of_another_family_is_still_an_input_error(tiny_model: MakeModel) -> None:
    task: Any = SimpleNamespace(
        name="outline", profiles=(Profile(name="plain", needs=(), family="blip"),)
    )

    with pytest.raises(InputError, match="can be of another family"):
        choose_profile(task, None, tiny_model("vit"))
