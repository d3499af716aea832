"""n:m over inputs in another order: given, verified, saved, and what it cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.checkpoint import load_saved, masks_of
from harness.contract import prune_layer
from harness.errors import CheckpointError, PartError, VerificationError
from harness.export import export
from harness.folder_manifest import read_manifest
from harness.masks import masks_digest, verify
from harness.model import Model
from harness.pipeline import prune_to_folder
from harness.plugin import LayerJob, LayerResult, Pattern
from harness.plugin.manager import Plugins
from harness.pruning import run_chain
from harness.record import PruneRecord
from harness.spec import ModelSpec
from harness_plugins.methods.sparsegpt import OBS
from tests.conformance.reference import layer_job
from tests.end_to_end.worlds import image_folder, vit_spec
from tests.unit.test_leaderboard import prune_record

PERMUTED = "ria local.permute=reallocation"
#: Places 0 1 | 2 3 hold inputs 0 2 | 1 3, and each pair keeps its first.
ORDER = torch.tensor([0, 2, 1, 3])
KEEP = torch.tensor([[True, True, False, False], [True, True, False, False]])


class Permutes:
    name = "permutes"
    statistics = frozenset()

    def __init__(self, order: torch.Tensor | None = ORDER) -> None:
        self.order = order

    def prune(self, job: LayerJob) -> LayerResult:
        return LayerResult(keep=KEEP, permutation=self.order)


def job() -> LayerJob:
    inputs = torch.randn(1, 3, 20, 4, generator=torch.Generator().manual_seed(0))
    return layer_job(torch.ones(2, 4), inputs, 4, Pattern(1, 2))


def test_n_of_m_holds_over_places() -> None:
    assert prune_layer(Permutes(), job()).keep is KEEP
    with pytest.raises(PartError, match="2 of 4 groups of 2 consecutive inputs keep more than 1"):
        prune_layer(Permutes(None), job())


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (torch.tensor([0, 2, 1, 1]), r"permutation \(4,\) places 3 inputs; each of 4 in one place"),
        (torch.tensor([0, 1, 2]), r"permutation \(3,\) places 3 inputs; each of 4 in one place"),
        (torch.tensor([0, 1, 2, 4]), r"each of 4 in one place is right"),
        (torch.tensor([0.0, 2, 1, 3]), r"of torch.float32; an int64 tensor \(4,\) is right"),
        ([0, 2, 1, 3], r"of list; an int64 tensor \(4,\) is right"),
    ],
)
def test_every_input_has_one_place(order: Any, message: str) -> None:
    with pytest.raises(PartError, match=message):
        prune_layer(Permutes(order), job())


class Turns(Permutes):
    """Another mask than it was given, n:m as the inputs lie."""

    name = "turns"

    def prune(self, job: LayerJob) -> LayerResult:
        return LayerResult(keep=torch.tensor([[True, False, True, False]] * 2))


def test_a_pruner_that_leaves_the_mask_leaves_the_permutation() -> None:
    updated = run_chain((Permutes(), OBS()), job())
    turned = run_chain((Permutes(), Turns()), job())

    assert updated.weight is not None
    assert torch.equal(updated.permutation, ORDER)
    assert turned.permutation is None


def test_the_order_is_part_of_the_digest_of_masks() -> None:
    masks = {"a": KEEP}

    with_order = masks_digest(masks, {"a": ORDER.int()})

    assert with_order != masks_digest(masks)
    assert with_order != masks_digest(masks, {"a": torch.arange(4).int()})


@pytest.fixture
def save(
    tiny_folder: Callable[[str], Path], plugins: Plugins, tmp_path: Path
) -> Callable[..., PruneRecord]:
    """Prune a tiny ViT to 2:4 over permuted inputs and save it as a folder of that name."""
    data = image_folder(tmp_path / "data")

    def saved(name: str, form: str = "hf") -> PruneRecord:
        two_of_four = {"pattern": {"keep": 2, "of": 4}, "sparsities": [0.5], "tasks": []}
        results = tmp_path / "results"
        spec = vit_spec(tiny_folder("vit"), data, results, (PERMUTED,), **two_of_four)
        return prune_to_folder(spec, plugins, tmp_path / name, form)

    return saved


def load(folder: Path, plugins: Plugins) -> Model:
    manifest = read_manifest(str(folder))
    assert manifest is not None
    return load_saved(ModelSpec(name=str(folder)), manifest, plugins)


@pytest.mark.parametrize("form", ["hf", "masks"])
def test_a_saved_folder_is_verified_by_its_places(
    save: Callable[..., PruneRecord], plugins: Plugins, tmp_path: Path, form: str
) -> None:
    record = save("saved", form)

    model = load(tmp_path / "saved", plugins)

    (masks, orders), pattern = masks_of(tmp_path / "saved", model), Pattern(2, 4)
    assert record.got.is_permuted
    assert orders.keys() == masks.keys() == {layer.name for layer in model.layers}
    verify(model, masks, record.got.budget, pattern, orders, exact=True)
    with pytest.raises(VerificationError, match="groups of 4 consecutive inputs keep more than 2"):
        verify(model, masks, record.got.budget, pattern, exact=True)


def test_an_order_that_was_changed_is_named(
    save: Callable[..., PruneRecord], plugins: Plugins, tmp_path: Path
) -> None:
    save("saved")
    path = tmp_path / "saved" / "masks.safetensors"
    tensors = load_file(path)
    name = next(key for key in tensors if key.startswith("permutation:"))
    save_file({**tensors, name: tensors[name].flip(0).contiguous()}, path)

    with pytest.raises(CheckpointError, match=f"tensor {name} has other bytes than were saved"):
        load(tmp_path / "saved", plugins)


def test_it_is_exported_whole_and_not_to_what_packs_neighbours(
    save: Callable[..., PruneRecord], plugins: Plugins, tmp_path: Path
) -> None:
    save("saved")
    source, small = str(tmp_path / "saved"), tmp_path / "small"

    export(source, small, "masks", plugins, device="cpu", dense=None)

    assert load(small, plugins).identity == load(tmp_path / "saved", plugins).identity
    with pytest.raises(CheckpointError, match="its 2:4 holds over permuted inputs, and --to 2:4"):
        export(source, tmp_path / "packed", "2:4", plugins, device="cuda", dense=None)


def test_a_second_run_takes_masks_and_order_from_the_cache(
    save: Callable[..., PruneRecord], tmp_path: Path
) -> None:
    assert save("one") == save("two")


def test_only_a_record_with_an_order_says_so() -> None:
    """Digests of the parts of older records still hold."""
    record = prune_record("ria")
    permuted = record.got.model_copy(update={"is_permuted": True})

    assert "is_permuted" not in record.got.model_dump(mode="json")
    assert permuted.model_dump(mode="json")["is_permuted"]
