"""A backend answers in the family's place, with the weights as they are; an audit compares both."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from harness.backend_audit import audit_backend
from harness.errors import InputError
from harness.model import weights_digest
from harness.pipeline import run
from harness.plugin import Generation, LoadedModel, ModelSpec, Sample
from harness.plugin.manager import Plugins, load_plugins
from harness.plugin.registry import Origin, Provider
from harness.spec import RunSpec, parse_spec
from harness.store import Store
from harness_plugins.families.blip2.generation import Blip2
from tests.end_to_end.worlds import image_folder, vit_spec

TinyFolder = Callable[[str], Path]


class Writer:
    """Writes as the family does."""

    label = "twin 1"

    def __init__(self, loaded: Any, folder: str, environment: Path) -> None:
        self.loaded, self.started_with = loaded, (folder, environment)
        self.taken: list[str] = []

    def take_weights(self) -> None:
        self.taken.append(weights_digest(self.loaded.module))

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        return list(self.loaded.generate(samples, generation))

    def losses(self, samples: Sequence[Sample]) -> list[float]:
        with torch.no_grad():
            return [float(self.loaded.loss(self.loaded.collate([s]))) for s in samples]


class Twin(Writer):
    """Classifies too, if it has been given the weights that the family has now."""

    def classify(self, samples: Sequence[Sample]) -> Tensor:
        assert self.taken[-1] == weights_digest(self.loaded.module)
        logits: Tensor = self.loaded.classify(samples)
        return logits


class TwinBackend:
    name: ClassVar[str] = "twin"
    kind: ClassVar[type[Writer]] = Twin
    started: ClassVar[list[Writer]] = []

    def start(self, model: LoadedModel, folder: str, spec: ModelSpec, environment: Path) -> Writer:
        self.started.append(self.kind(model, folder, environment))
        return self.started[-1]


@pytest.fixture
def plugins() -> Plugins:
    found = load_plugins()
    origin = Origin(plugin="twin", distribution="test", version="1")
    given: Any = TwinBackend
    found.backends.add(Provider(name="twin", given=given, origin=origin))
    TwinBackend.started.clear()
    return found


def with_twin(name: Path) -> dict[str, Any]:
    return {"name": str(name), "backend": {"name": "twin", "environment": "there"}}


@pytest.fixture
def captions(tiny_folder: TinyFolder, tmp_path: Path) -> RunSpec:
    """A tiny BLIP-2 with a twin, and an annotated folder to draw samples from."""
    return parse_spec(
        {
            "model": with_twin(tiny_folder("blip2_t5")),
            "pruners": [{"recipe": "dense"}],
            "calibration": {"source": "mini", "samples": 6},
            "batch_size": 4,
            "cache": str(tmp_path / "cache"),
        }
    )


def test_every_cell_is_answered_with_the_weights_of_that_cell(
    tiny_folder: TinyFolder, tmp_path: Path, plugins: Plugins
) -> None:
    folder, data = tiny_folder("vit"), image_folder(tmp_path / "data")
    results = tmp_path / "r"
    run(vit_spec(folder, data, results, ("dense", "magnitude")), plugins)

    outcome = run(
        vit_spec(folder, data, results, ("dense", "magnitude"), model=with_twin(folder)), plugins
    )

    assert outcome.failures == []
    [twin] = TwinBackend.started
    assert twin.started_with == (str(folder), Path("there"))
    assert len(twin.taken) == 6  # two halves of a task, by the dense, the blind and the pruned
    assert len(set(twin.taken)) == 2
    evals = list(Store(results).evals())
    by_backend = {
        name: {
            (e.row, e.asked.data.part): e.got.samples
            for e in evals
            if e.asked.profile.backend == name
        }
        for name in ("", "twin 1")
    }
    assert len(by_backend[""]) == 6
    assert by_backend[""] == by_backend["twin 1"]
    assert len(list(Store(results).prunes())) == 1


def test_what_the_backend_cannot_do_is_refused(
    tiny_folder: TinyFolder, tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TwinBackend, "kind", Writer)
    folder, data = tiny_folder("vit"), image_folder(tmp_path / "data")

    with pytest.raises(InputError, match="needs a model that can classify"):
        run(vit_spec(folder, data, tmp_path / "r", ("dense",), model=with_twin(folder)), plugins)


def test_an_audit_of_equals(captions: RunSpec, plugins: Plugins) -> None:
    audit = audit_backend(captions, plugins)

    assert audit.is_equal
    assert audit.backend == "twin 1"
    assert audit.losses.largest == 0
    assert audit.losses.ours == audit.losses.theirs > 0
    assert [text.samples for text in audit.texts] == [6, 6, 6]


def test_an_audit_finds_other_losses_and_other_texts(
    captions: RunSpec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer, "losses", lambda _, samples: [1.5] * len(samples))
    monkeypatch.setattr(Writer, "generate", lambda _, samples, **__: ["else"] * len(samples))

    audit = audit_backend(captions, plugins)

    assert not audit.is_equal
    assert not audit.losses.is_equal
    assert audit.losses.theirs == 1.5
    assert all(len(text.different) == 6 for text in audit.texts)
    assert audit.texts[0].different[0][2] == "else"


def test_judges_are_compared_by_their_verdicts(
    captions: RunSpec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A family and a backend that both judge; the backend says no to everything."""
    monkeypatch.setattr(Blip2, "judge", lambda _, samples: [True] * len(samples), raising=False)
    monkeypatch.setattr(Writer, "judge", lambda _, samples: [False] * len(samples), raising=False)

    *_, verdicts = audit_backend(captions, plugins).texts

    assert (verdicts.generation, verdicts.samples) == ("verdicts", 6)
    assert [(ours, theirs) for _, ours, theirs in verdicts.different] == [("True", "False")] * 6


def test_an_audit_needs_a_backend(captions: RunSpec, plugins: Plugins) -> None:
    alone = captions.model.model_copy(update={"backend": None})

    with pytest.raises(InputError, match="say --backend"):
        audit_backend(captions.model_copy(update={"model": alone}), plugins)
