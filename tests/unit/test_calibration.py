"""What a calibration set can have wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.calibration import CalibrationSet, draw_calibration
from harness.errors import InputError, RunError
from harness.model import Model
from harness.plugin import Sample
from harness.plugin.manager import Plugins, load_plugins
from harness.plugin.registry import Origin, Provider
from harness.spec import CalibrationSpec, parse_spec
from harness.walk import TowerWalk
from tests.tiny import make_samples

MakeModel = Callable[[str], Model]


class Nothing:
    name = "nothing"

    def samples(self, path: object, cache: object, encode: object) -> list[Sample]:
        return []


def test_no_samples_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"calibration\.samples: a number above 0 is needed, not 0"
    ):
        parse_spec(
            {
                "model": {"name": "m"},
                "pruners": [{"recipe": "wanda"}],
                "calibration": {"samples": 0},
            }
        )


def test_an_empty_source_is_refused(tiny_model: MakeModel, tmp_path: Path) -> None:
    plugins = load_plugins()
    origin = Origin(plugin="p", distribution="d", version="1")
    plugins.calibration_sources.add(Provider(name="nothing", given=Nothing, origin=origin))

    with pytest.raises(
        InputError, match="calibration source nothing holds 0 samples, 8 are asked for"
    ):
        draw_calibration(
            CalibrationSpec(source="nothing", samples=8), 0, tiny_model("vit"), plugins, tmp_path
        )


def test_a_text_too_short_for_a_window_is_an_empty_source(
    tiny_model: MakeModel, plugins: Plugins, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("a b c")
    spec = CalibrationSpec(source="text", path=tmp_path / "text")

    with pytest.raises(InputError, match="calibration source text holds 0 samples"):
        draw_calibration(spec, 0, tiny_model("gpt2"), plugins, tmp_path)


def test_windows_of_any_source_that_the_model_does_not_read_are_refused(
    tiny_model: MakeModel, tmp_path: Path
) -> None:
    lengths = [64]

    class Long:
        name = "long"

        def samples(self, path: object, cache: object, encode: object) -> list[Sample]:
            return [Sample(id=f"{n}", tokens=(1,) * length) for n, length in enumerate(lengths)]

    plugins = load_plugins()
    origin = Origin(plugin="p", distribution="d", version="1")
    plugins.calibration_sources.add(Provider(name="long", given=Long, origin=origin))
    spec = CalibrationSpec(source="long", samples=1)

    drawn = draw_calibration(spec, 0, tiny_model("gpt2"), plugins, tmp_path)
    lengths.append(65)

    assert drawn.window == 64
    with pytest.raises(InputError, match="^window 65 is longer than the 64 tokens that the model"):
        draw_calibration(
            spec.model_copy(update={"samples": 2}), 0, tiny_model("gpt2"), plugins, tmp_path
        )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["input_sq", "input_mean", "gram"])
def test_activations_that_are_no_numbers_name_layer_and_batch(
    kind: str, bad: float, tiny_model: MakeModel, tmp_path: Path
) -> None:
    model = tiny_model("vit")
    batches = CalibrationSet("tiny", make_samples("vit", tmp_path)).batches(model, size=2)
    batches[2]["pixel_values"][1, 0, 0, 0] = bad
    visit = next(iter(TowerWalk(model, model.towers[0], batches)))

    with pytest.raises(RunError, match=r"layer vit\.layers\.0\S+: activations of .* batch 3 are"):
        visit.statistics({kind})


def test_more_samples_than_there_are_are_refused(tiny_model: MakeModel, tmp_path: Path) -> None:
    calibration = CalibrationSet("tiny", make_samples("vit", tmp_path))

    with pytest.raises(InputError, match=r"set tiny has \d+ samples, 999 are needed"):
        calibration.batches(tiny_model("vit"), 999, size=1)


def test_a_poisoned_tensor_poisons_only_its_own_batch(
    tiny_model: MakeModel, tmp_path: Path
) -> None:
    model = tiny_model("vit")
    batches = CalibrationSet("tiny", make_samples("vit", tmp_path)).batches(model, size=2)
    visit = next(iter(TowerWalk(model, model.towers[0], batches[:2])))

    found = visit.statistics({"input_sq"})

    assert all(bool(torch.isfinite(s.input_sq).all()) for s in found.values())
