"""Units that go: what they weigh, their masks, the smaller model, and its folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.checkpoint import save_pruned
from harness.contract import check_units
from harness.errors import CheckpointError, InputError, PartError
from harness.model import Model, load_model, weights_digest
from harness.plugin import read_widened
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from harness.structure import Structure, shrunken, structure_of
from tests.tiny import make_samples
from tests.unit.test_leaderboard import prune_record

TinyModel = Callable[[str], Model]
KINDS = ["blip2_t5", "blip2_opt", "blip_caption", "blip_vqa"]


def take_out(structure: Structure, share: float = 0.4) -> dict[str, torch.Tensor]:
    """Zero random units of the live model; the first of every group stays."""
    generator = torch.Generator().manual_seed(0)
    units = {g.name: torch.rand(g.units, generator=generator) > share for g in structure.groups}
    for stays in units.values():
        stays[0] = True
    structure.clear(units, structure.masks(units))
    return units


@pytest.mark.parametrize("kind", KINDS)
def test_every_prunable_weight_belongs_to_a_unit(kind: str, tiny_model: TinyModel) -> None:
    model = tiny_model(kind)
    structure = structure_of(model)

    all_units = sum(g.units * structure.weights_per_unit(g) for g in structure.groups)

    assert all_units == sum(layer.numel for layer in model.layers)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_remove_what_the_units_weigh(kind: str, tiny_model: TinyModel) -> None:
    structure = structure_of(tiny_model(kind))
    units = take_out(structure)

    gone = sum(int((~keep).sum()) for keep in structure.masks(units).values())

    expected = sum(
        int((~units[g.name]).sum()) * structure.weights_per_unit(g) for g in structure.groups
    )
    assert gone == expected
    assert all(torch.equal(found, units[name]) for name, found in structure.kept().items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_shrunken_model_is_smaller_and_says_the_same(
    kind: str, tiny_model: TinyModel, tmp_path: Path
) -> None:
    model = tiny_model(kind)
    batch = model.loaded.collate(make_samples(kind, tmp_path))
    take_out(structure_of(model))
    masked, size = model.loaded.loss(batch), count_parameters(model)
    before = weights_digest(model.loaded.module)

    with shrunken(model):
        assert count_parameters(model) < size
        assert torch.allclose(model.loaded.loss(batch), masked, rtol=1e-5)

    assert count_parameters(model) == size
    assert weights_digest(model.loaded.module) == before
    assert torch.equal(model.loaded.loss(batch), masked)


@pytest.mark.parametrize("kind", KINDS)
def test_a_shrunken_folder_is_smaller_and_loads_as_it_was(
    kind: str, tiny_model: TinyModel, plugins: Plugins, tmp_path: Path
) -> None:
    model = tiny_model(kind)
    take_out(structure_of(model))
    record = prune_record("upop")
    got = record.got.model_copy(update={"is_shrunk": True})

    record = record.model_copy(update={"got": got})
    save_pruned(tmp_path / "pruned", model, record, {}, masks_suffice=False)

    saved = load_file(tmp_path / "pruned" / "model.safetensors")
    assert sum(tensor.numel() for tensor in saved.values()) < count_parameters(model)
    again = load_model(ModelSpec(name=str(tmp_path / "pruned")), plugins)
    assert weights_digest(again.loaded.module) == weights_digest(model.loaded.module)


def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, tiny_model: TinyModel) -> None:
    model = tiny_model("blip_vqa")
    take_out(structure_of(model))
    got = prune_record("upop").got.model_copy(update={"is_shrunk": True})
    record = prune_record("upop").model_copy(update={"got": got})
    save_pruned(tmp_path / "p", model, record, {}, masks_suffice=False)
    path = tmp_path / "p" / "structure.json"
    cuts = json.loads(path.read_text())
    name = next(name for name, cut in cuts.items() if cut["rows"] and len(cut["rows"]) > 1)
    cuts[name]["rows"].pop()
    path.write_text(json.dumps(cuts))

    with pytest.raises(CheckpointError, match=rf"{name} is \[.*structure.json says \["):
        read_widened(tmp_path / "p")


def test_a_family_without_units_is_refused(tiny_model: TinyModel) -> None:
    with pytest.raises(InputError, match="family vit names no units"):
        structure_of(tiny_model("vit"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nowhere": torch.ones(1).bool()}, "made up 1 unit groups, first nowhere"),
        (
            {"FIRST": torch.ones(3).bool()},
            r"are a torch.bool tensor \(3,\); a torch.bool tensor \(12,\) is",
        ),
        ({"FIRST": torch.ones(12)}, r"are a torch.float32 tensor \(12,\); "),
        ({"FIRST": torch.zeros(12).bool()}, "no unit stays, one has to"),
    ],
)
def test_what_a_searcher_returns_is_checked(
    change: dict[str, torch.Tensor], message: str, tiny_model: TinyModel
) -> None:
    groups = structure_of(tiny_model("blip2_t5")).groups
    first = groups[0].name
    units = {group.name: torch.ones(group.units).bool() for group in groups}
    check_units(units, groups)

    changed = {first if name == "FIRST" else name: found for name, found in change.items()}
    with pytest.raises(PartError, match=message):
        check_units({**units, **changed}, groups)


def count_parameters(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.loaded.module.parameters())
