"""Scoring leaves the model as it was, and its shortcuts change no loss."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from harness.calibration import CalibrationSet
from harness.errors import PartError
from harness.model import Model, weights_digest
from harness.scoring import score
from harness.session import Session
from harness_plugins.methods.ecoflap import ZerothOrder
from tests.plugins.tiny_families import TABLE
from tests.tiny import make_samples

MakeModel = Callable[[str], Model]


def silent(done: int, total: int, label: str) -> None:
    assert 0 <= done <= total


def calibration(kind: str, folder: Path) -> CalibrationSet:
    return CalibrationSet("tiny", make_samples(kind, folder))


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_a_loss_under_perturbation_equals_the_full_forward_pass(
    kind: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    """Blocks before the perturbed one are stood in for; not a bit of the loss may change."""
    model = tiny_model(kind)
    session = Session(model, calibration(kind, tmp_path), 0, silent)
    batch = session.batches(3, size=3)[0]

    for layer in model.layers:
        with session.perturbed(layer) as weight:
            weight.add_(0.1)
            shortcut = session.loss(batch)
            with torch.no_grad():
                full = model.loaded.loss(batch)
            assert torch.equal(shortcut, full), layer.name


def test_nested_perturbations_start_at_the_first_of_them(
    tiny_model: MakeModel, tmp_path: Path
) -> None:
    model = tiny_model("blip2_t5")
    session = Session(model, calibration("blip2_t5", tmp_path), 0, silent)
    batch = session.batches(2, size=2)[0]
    first, last = model.layers[1], model.layers[-1]

    with session.perturbed(last) as late, session.perturbed(first) as early:
        late.mul_(1.5)
        early.mul_(0.5)
        shortcut = session.loss(batch)
        with torch.no_grad():
            assert torch.equal(shortcut, model.loaded.loss(batch))


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_scoring_leaves_everything_as_it_was(
    kind: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    model = tiny_model(kind)
    module = model.loaded.module
    next(iter(module.children())).train()
    before = weights_digest(module)
    modes = [part.training for part in module.modules()]
    torch.manual_seed(5)
    rng_state = torch.get_rng_state()

    scores = score(model, ZerothOrder(samples=3, eps=0.01), calibration(kind, tmp_path), 0, silent)

    assert weights_digest(module) == before
    assert [part.training for part in module.modules()] == modes
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert torch.equal(torch.get_rng_state(), rng_state)
    assert not any("forward" in vars(part) for part in module.modules())
    assert len(scores.values) == len(model.layers)
    assert all(value >= 0 for value in scores.values.values())


def test_the_same_seed_gives_the_same_scores(tiny_model: MakeModel, tmp_path: Path) -> None:
    runs = [
        score(
            tiny_model("vit"), ZerothOrder(samples=3), calibration("vit", tmp_path), seed, silent
        ).values
        for seed in (1, 1, 2)
    ]

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_gradients_are_those_of_the_loss(tiny_model: MakeModel, tmp_path: Path) -> None:
    model = tiny_model("gpt2")
    session = Session(model, calibration("gpt2", tmp_path), 0, silent)
    batch = session.batches(2, size=2)[0]
    layer = model.layers[1]
    gradient = {i.name: g for i, g in session.gradients(batch)}[layer.name]
    direction = torch.randn(layer.shape, generator=torch.Generator().manual_seed(0))
    losses = []
    for sign in (1, -1):
        with session.perturbed(layer) as weight:
            weight.add_(sign * 1e-2 * direction)
            losses.append(float(session.loss(batch)))

    slope = (losses[0] - losses[1]) / 2e-2
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=0.02, abs=1e-4)


class Careless:
    name = "careless"
    granularity = "layer"

    def score(self, session: Session) -> Iterator[tuple[str, float]]:
        session.weight(session.layers[0]).add_(1)
        yield from ((layer.name, 1.0) for layer in session.layers)


class Incomplete:
    name = "incomplete"
    granularity = "layer"

    def score(self, session: Session) -> Iterator[tuple[str, float]]:
        yield session.layers[0].name, 1.0


class Negative:
    name = "negative"
    granularity = "layer"

    def score(self, session: Session) -> Iterator[tuple[str, float]]:
        yield from ((layer.name, -1.0) for layer in session.layers)


class WrongShape:
    name = "wrong-shape"
    granularity = "weight"

    def score(self, session: Session) -> Iterator[tuple[str, torch.Tensor]]:
        yield from ((layer.name, torch.ones(layer.shape[::-1])) for layer in session.layers[1:])


class NotANumber:
    name = "not-a-number"
    granularity = "weight"

    def score(self, session: Session) -> Iterator[tuple[str, torch.Tensor]]:
        for layer in session.layers:
            scores = torch.ones(layer.shape)
            scores[0, 0] = float("nan")
            yield layer.name, scores


class Stray:
    name = "stray"
    granularity = "block"

    def score(self, session: Session) -> Iterator[tuple[str, float]]:
        yield session.layers[0].name, 1.0


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (
            WrongShape,
            PartError,
            r"^scored vit\.layers\S+ with a torch\.float32 tensor \(\d+, \d+\); a score per w",
        ),
        (NotANumber, PartError, r"^scored vit\.layers\S+ with 1 NaN or infinite numbers"),
        (Stray, PartError, r"^scored 'vit\.layers\S+', which is no block; "),
        (Careless, PartError, "left the model's weights changed"),
        (Incomplete, PartError, r"^left out 11 of 12 scores, first vit\.layers"),
        (Negative, PartError, r"scored vit\S+ -1.0; a finite number >= 0 is right"),
    ],
)
def test_an_estimator_that_breaks_its_contract_is_named(
    estimator: type, error: type[Exception], message: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        score(tiny_model("vit"), estimator(), calibration("vit", tmp_path), 0, silent)
