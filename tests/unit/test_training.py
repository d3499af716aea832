"""The train stream and what training does and does not touch."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch

from harness.errors import InputError, RunError
from harness.model import Model, load_model
from harness.plugin import Training
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec, SourceSpec
from harness.training import (
    TrainStream,
    fine_tune,
    open_train_stream,
    training_session,
    warm_up_then_cosine,
)
from tests.tiny import make_samples

TinyModel = Callable[[str], Model]
SHORT = Training(steps=12, learning_rate=1e-2, batch_size=3, weight_decay=0.1)


@pytest.fixture
def stream(tmp_path: Path) -> TrainStream:
    return TrainStream("toy", make_samples("blip2_t5", tmp_path))


def quiet(done: int, total: int, label: str) -> None:
    assert 0 < done <= total


def ids(batches: list[list[tuple[str, object]]]) -> list[list[str]]:
    return [[sample.id for _, sample in batch] for batch in batches]  # type: ignore[attr-defined]


def test_every_epoch_shows_every_sample_once_in_a_new_order(stream: TrainStream) -> None:
    four = ids(list(islice(stream.batches(3, 0, frozenset()), 4)))

    assert sorted(four[0] + four[1]) == sorted(four[2] + four[3]) == list("012345")
    assert four[:2] != four[2:]
    assert ids(list(islice(stream.batches(3, 0, frozenset()), 4))) == four
    assert ids(list(islice(stream.batches(3, 1, frozenset()), 4))) != four


def test_what_is_calibrated_on_is_passed_over(stream: TrainStream) -> None:
    shown = stream.samples[2].input_digest()[:16]

    drawn = ids(list(islice(stream.batches(5, 0, {shown}), 3)))

    assert all("2" not in batch for batch in drawn)
    with pytest.raises(InputError, match="fewer than 6 samples outside the calibration set"):
        next(stream.batches(6, 0, {shown}))


def test_fine_tuning_keeps_zeros_learns_and_puts_modes_back(
    tiny_model: TinyModel, stream: TrainStream
) -> None:
    model = tiny_model("blip2_t5")
    generator = torch.Generator().manual_seed(0)
    masks = {i.name: torch.rand(i.shape, generator=generator) > 0.5 for i in model.layers}
    for layer in model.layers:
        model.weight(layer).masked_fill_(~masks[layer.name], 0)
    batch = model.loaded.collate(stream.samples)
    before = float(model.loaded.loss(batch))

    with training_session(model, stream, 0, quiet) as session:
        fine_tune(session, SHORT, masks)

    assert float(model.loaded.loss(batch)) < 0.95 * before
    for layer in model.layers:
        assert not bool(model.weight(layer)[~masks[layer.name]].any()), layer.name
    assert not model.loaded.module.training
    assert not any(p.requires_grad for p in model.loaded.module.parameters())
    assert session.seen == {sample.input_digest()[:16] for sample in stream.samples}


def test_training_twice_gives_the_same_weights(tiny_model: TinyModel, stream: TrainStream) -> None:
    outcomes = []
    for _ in range(2):
        model = tiny_model("blip_caption")  # it has dropout
        with training_session(model, stream, 3, quiet) as session:
            outcomes.append(fine_tune(session, SHORT, {}))

    assert outcomes[0] == outcomes[1]


def test_a_gate_scales_its_rows_and_is_neither_trained_nor_cleared(
    tiny_model: TinyModel, stream: TrainStream
) -> None:
    model = tiny_model("blip2_t5")
    batch = model.loaded.collate(stream.samples)
    clean = model.loaded.loss(batch)

    with training_session(model, stream, 0, quiet) as session:
        group = session.unit_groups[0]
        gate = session.gate(group)
        model.loaded.module.eval()
        assert torch.allclose(model.loaded.loss(batch), clean, rtol=1e-5)
        gate.data[1] = 0
        closed = model.loaded.loss(batch)
        gate.data[1] = 1
        sums = []
        for _ in session.train(SHORT):
            assert gate.grad is not None
            sums.append(gate.grad.clone())
        assert torch.equal(gate.data, torch.ones(group.units))
        assert not torch.equal(sums[0], sums[1])
        assert len(sums) == SHORT.steps

    fresh = tiny_model("blip2_t5")
    for name, index in group.rows.items():
        layer = fresh.loaded.module.get_submodule(name)
        layer.weight.data[index[1]] = 0
        if layer.bias is not None:
            layer.bias.data[index[1]] = 0
    assert torch.allclose(closed, fresh.loaded.loss(batch), rtol=1e-5)


def test_a_diverging_run_is_told(tiny_model: TinyModel, stream: TrainStream) -> None:
    model = tiny_model("blip2_t5")
    model.weight(model.layers[0]).fill_(float("nan"))

    with (
        pytest.raises(RunError, match="training diverged: the loss of step 1 is nan"),
        training_session(model, stream, 0, quiet) as session,
    ):
        fine_tune(session, SHORT, {})


def test_training_needs_float32_and_a_source(
    tiny_folder: Callable[[str], Path], plugins: Plugins, tmp_path: Path
) -> None:
    name = str(tiny_folder("blip2_t5"))
    half = load_model(ModelSpec(name=name, dtype="bfloat16"), plugins)
    with pytest.raises(InputError, match="needs --dtype float32, not bfloat16"):
        open_train_stream(SourceSpec(), half, plugins, tmp_path)

    whole = load_model(ModelSpec(name=name), plugins)
    with pytest.raises(InputError, match="no train source of its own; say --train SOURCE"):
        open_train_stream(SourceSpec(), whole, plugins, tmp_path)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [warm_up_then_cosine(step, steps=40) for step in range(40)]

    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert warm_up_then_cosine(21, steps=40) == pytest.approx(0.5)
