"""Without a network, every task runs on the mini edition with a bundled model."""

import socket
from pathlib import Path

import pytest

from harness.evaluation import evaluate
from harness.model import Model, load_model
from harness.plugin import InputError
from harness.plugin.manager import Plugins
from harness.spec import DataSpec, ModelSpec, TaskSpec
from harness.tasks import OpenTask, choose_profile, find_task, open_task

#: What stands behind the colon, of tasks that want something there.
ARGUMENTS = {"lm_eval": "mini_suite"}
ITEMS = 4


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("PATH", "")  # METEOR's Java takes seconds to start


@pytest.fixture(scope="module")
def bundled(plugins: Plugins) -> list[Model]:
    """The trained ones; the others are sizes alone."""
    trained = [p.name for p in plugins.models if p.given.edition == "mini"]
    return [load_model(ModelSpec(name=name), plugins) for name in trained]


def opened(
    name: str, models: list[Model], cache: Path, plugins: Plugins
) -> list[tuple[Model, OpenTask]]:
    """The task for each model that can do it."""
    found = []
    for model in models:
        try:
            choose_profile(find_task(name, plugins)[1], None, model)
        except InputError:
            continue
        task = open_task(TaskSpec(name=name, limit=ITEMS), DataSpec(), cache, model, plugins)
        found.append((model, task))
    return found


TASKS = (
    "vqav2 okvqa gqa nocaps coco-caption flickr30k imagenet nlvr2 caltech101 oxford_pets "
    "stanford_cars oxford_flowers food101 fgvc_aircraft sun397 dtd eurosat ucf101 wikitext ptb "
    "lm_eval"
).split()


def test_the_list_is_whole(plugins: Plugins) -> None:
    own = {p.name for p in plugins.tasks if p.origin.distribution == "pruning-harness"}

    assert own == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.usefixtures("_no_network")
def test_it_runs_on_mini(
    name: str, bundled: list[Model], cache: Path, plugins: Plugins, tmp_path: Path
) -> None:
    full_name = f"{name}:{ARGUMENTS[name]}" if name in ARGUMENTS else name
    runs = opened(full_name, bundled, cache, plugins)

    assert runs, "no bundled model can do it"
    for model, task in runs:
        assert task.data.edition == "mini"
        evaluation = evaluate(
            model,
            task,
            batch_size=ITEMS,
            is_blind=False,
            resume=tmp_path / model.spec.name,
            progress=lambda *_: None,
        )
        assert evaluation.items.count == ITEMS
        assert evaluation.items.main() >= 0
