"""What the model families say of calibration samples that do not fit them."""

import dataclasses
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.model import load_model
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from tests.end_to_end.worlds import TinyFolder
from tests.tiny import make_samples


@pytest.mark.parametrize(
    ("kind", "target", "told"),
    [
        ("vit", "a dog", "target 'a dog', not a class index"),
        ("vit", None, "target None, not a class index"),
        ("blip_caption", 3, "target 3, not a text"),
        ("blip_vqa", None, "target None, not a text"),
        ("blip2_t5", None, "target None, not a text"),
    ],
)
def test_a_calibration_sample_without_a_fitting_target_is_named(
    kind: str,
    target: str | int | None,
    told: str,
    tiny_folder: TinyFolder,
    plugins: Plugins,
    tmp_path: Path,
) -> None:
    model = load_model(ModelSpec(name=str(tiny_folder(kind))), plugins)
    [sample] = make_samples(kind, tmp_path, count=1)

    with pytest.raises(InputError, match=f"sample 0 has {told}"):
        model.loaded.collate([dataclasses.replace(sample, target=target)])


def test_a_calibration_sample_of_a_class_without_a_logit_is_named(
    tiny_folder: TinyFolder, plugins: Plugins, tmp_path: Path
) -> None:
    model = load_model(ModelSpec(name=str(tiny_folder("vit"))), plugins)
    [sample] = make_samples("vit", tmp_path, count=1)

    with pytest.raises(InputError, match="sample 0 is of class 7, the model has 7 logits; order=l"):
        model.loaded.collate([dataclasses.replace(sample, target=7)])
