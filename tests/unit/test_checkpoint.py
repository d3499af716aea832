"""Pruned models on disk: in full, as masks, and what is refused."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageClassification

from harness.atomic import refuse_filled
from harness.bench import Bench
from harness.checkpoint import load_saved
from harness.contract import check_pattern
from harness.errors import CheckpointError, DataError, InputError, VerificationError
from harness.folder_manifest import _record_digests, read_manifest
from harness.model import Model, load_model
from harness.patch import apply_patch
from harness.pipeline import prune_to_folder, run
from harness.plugin import LayerJob, LayerResult
from harness.plugin.manager import Plugins, load_plugins
from harness.record import PruneRecord
from harness.spec import ModelSpec
from harness.store import Store
from harness_plugins.methods.magnitude import Magnitude
from tests.end_to_end.worlds import contents, image_folder, vit_spec

Save = Callable[..., PruneRecord]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "data")


@pytest.fixture
def save(tiny_folder: Callable[[str], Path], plugins: Plugins, data: Path, tmp_path: Path) -> Save:
    """Prune a tiny ViT and save it as a folder of that name."""

    def saved(name: str, form: str = "hf", pruner: str = "magnitude") -> PruneRecord:
        spec = vit_spec(tiny_folder("vit"), data, tmp_path / "results", (pruner,), tasks=[])
        return prune_to_folder(spec, plugins, tmp_path / name, form)

    return saved


def load(folder: Path, plugins: Plugins, **spec: str) -> Model:
    manifest = read_manifest(str(folder))
    assert manifest is not None
    return load_saved(ModelSpec(name=str(folder), **spec), manifest, plugins)


def damage(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Change the tensors of a safetensors file."""
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def test_a_folder_in_full_is_read_by_transformers_alone(save: Save, tmp_path: Path) -> None:
    record = save("full")

    module = AutoModelForImageClassification.from_pretrained(tmp_path / "full")

    zeros = sum(int((p == 0).sum()) for name, p in module.named_parameters() if p.dim() == 2)
    report = record.got.sparsity.model
    assert zeros >= report.numel - report.keep > 0
    manifest = json.loads((tmp_path / "full" / "harness.json").read_text())
    assert set(manifest["tensors"]) == {"masks.safetensors", "model.safetensors"}
    assert manifest["record"]["circumstances"]["spec"]["sparsities"] == [0.5]


def test_masks_take_a_bit_a_weight_and_make_the_same_model(
    save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    record = save("masks", "masks")

    model = load(tmp_path / "masks", plugins)

    assert {path.name for path in (tmp_path / "masks").iterdir()} == {
        "harness.json",
        "masks.safetensors",
    }
    masks = load_file(tmp_path / "masks" / "masks.safetensors")
    assert sum(bits.numel() for bits in masks.values()) == record.got.sparsity.model.numel // 8
    assert model.identity["weights"] == record.got.weights


def test_a_folder_of_masks_is_evaluated_as_the_cell_it_is(
    save: Save,
    plugins: Plugins,
    tiny_folder: Callable[[str], Path],
    data: Path,
    tmp_path: Path,
) -> None:
    save("masks", "masks")
    run(vit_spec(tiny_folder("vit"), data, tmp_path / "r", ("magnitude",)), plugins)
    there = contents(tmp_path / "r")

    spec = vit_spec(tmp_path / "masks", data, tmp_path / "r", ("dense",))
    outcome = run(spec, plugins)

    assert (outcome.filed, outcome.skipped) == (0, 2)
    assert contents(tmp_path / "r") == there


def test_masks_of_another_model_are_refused(
    save: Save, plugins: Plugins, tiny_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    save("masks", "masks")
    other = tmp_path / "other"
    load_model(ModelSpec(name=str(tiny_folder("vit"))), plugins).loaded.save(other)
    damage(other / "model.safetensors", lambda tensors: tensors["classifier.bias"].add_(1))

    with pytest.raises(CheckpointError, match=r"masks are of a model with weights [0-9a-f]{12}, "):
        load(tmp_path / "masks", plugins, dense=str(other))
    with pytest.raises(InputError, match=r"masks of .* cannot be loaded here .* --dense"):
        load(tmp_path / "masks", plugins, dense="./gone")
    with pytest.raises(InputError, match=r"masks are of float32 weights, .* say --dtype float32"):
        load(tmp_path / "masks", plugins, dtype="bfloat16")


def test_masks_alone_do_not_hold_weights_that_changed(save: Save, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="sparsegpt changes weights that stay"):
        save("masks", "masks", "sparsegpt")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]  # it was not pruned either


@pytest.mark.parametrize("place", ["file/x", "file/x/y", "/proc/x", "/proc/x/y"])
def test_a_place_that_cannot_be_written_is_refused_before_pruning(
    place: str, save: Save, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(CheckpointError, match=r"x(/y)?: cannot be written there \(No"):
        save(place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file"]


def test_trying_a_place_leaves_nothing_behind(tmp_path: Path) -> None:
    refuse_filled(tmp_path / "new" / "folder")

    assert not list(tmp_path.iterdir())


def flip(tensors: dict[str, torch.Tensor]) -> None:
    first = next(name for name in sorted(tensors) if name.startswith("mask:"))
    tensors[first][0] ^= 1


@pytest.mark.parametrize("form", ["hf", "masks"])
def test_a_changed_mask_is_refused_by_name(
    form: str, save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved", form)
    damage(tmp_path / "saved" / "masks.safetensors", flip)

    with pytest.raises(CheckpointError, match=r"tensor mask:vit\.\S+ has other bytes"):
        load(tmp_path / "saved", plugins)


def test_changed_missing_and_added_tensors_are_refused_by_name(
    save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved")
    path = tmp_path / "saved" / "model.safetensors"
    whole = path.read_bytes()
    faults = {
        "classifier.bias has other bytes": lambda tensors: tensors["classifier.bias"].add_(1),
        "classifier.bias is missing": lambda tensors: tensors.pop("classifier.bias"),
        "more was not saved with it": lambda tensors: tensors.update(more=torch.ones(1)),
    }
    for fault, change in faults.items():
        path.write_bytes(whole)
        damage(path, change)
        with pytest.raises(CheckpointError, match=fault):
            load(tmp_path / "saved", plugins, dtype="bfloat16")


def test_a_file_that_is_cut_off_names_the_tensor(
    save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved")
    path = tmp_path / "saved" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(
        CheckpointError, match=r"model\.safetensors: .*it ends within tensor vit\.\S+"
    ):
        load(tmp_path / "saved", plugins)
    path.write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: cannot be read"):
        load(tmp_path / "saved", plugins)


Edit = Callable[[dict[str, Any]], object]


def edit(folder: Path, change: Edit, *, and_sign: bool) -> None:
    """Change the record in a manifest, and if asked its digests too."""
    path = folder / "harness.json"
    content = json.loads(path.read_text())
    change(content["record"])
    if and_sign:
        record = PruneRecord.model_validate(content["record"])
        content["record_digests"] = _record_digests(record)
    path.write_text(json.dumps(content))


def claim_few(record: dict[str, Any]) -> None:
    record["got"]["sparsity"]["model"]["keep"] = 100
    record["got"]["target_keep"] = 100


def move_budget(record: dict[str, Any]) -> None:
    first, second, *_ = record["got"]["budget"]
    record["got"]["budget"][first] -= 8
    record["got"]["budget"][second] += 8


RECORD_EDITS: list[tuple[Edit, str, str]] = [
    (claim_few, "got.target_keep", "target_keep is 100, at sparsity 0.5 it is "),
    (
        lambda record: record["got"]["sparsity"]["layers"][0].update(keep=1),
        "got.sparsity",
        "got.sparsity is not what the masks keep, ",
    ),
    (lambda record: record["asked"].update(sparsity=0.9), "asked.sparsity", "at sparsity 0.9 it"),
    (move_budget, "got.budget", "weights are kept, the budget says "),
    (lambda record: record["got"]["budget"].clear(), "got.budget", "the budget says None"),
    (lambda record: record["got"].update(masks="0" * 64), "got.masks", "the masks "),
    (lambda record: record["got"].update(weights="0" * 64), "got.weights", "harness.json"),
]


@pytest.mark.parametrize("form", ["hf", "masks"])
def test_an_edited_record_is_refused_by_its_part(
    form: str, save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved", form)
    path = tmp_path / "saved" / "harness.json"
    saved = path.read_text()
    others: list[tuple[Edit, str, str]] = [
        (lambda record: record.update(pruner="wanda"), "pruner", ""),
        (lambda record: record["circumstances"].update(host="elsewhere"), "circumstances.host", ""),
    ]
    for change, part, _ in [*RECORD_EDITS, *others]:
        edit(tmp_path / "saved", change, and_sign=False)
        with pytest.raises(CheckpointError, match=f"record.{part} is not what was saved"):
            load(tmp_path / "saved", plugins)
        path.write_text(saved)
    load(tmp_path / "saved", plugins)


@pytest.mark.parametrize("form", ["hf", "masks"])
def test_what_a_record_counts_is_counted_again(
    form: str, save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved", form)
    path = tmp_path / "saved" / "harness.json"
    saved = path.read_text()
    for change, _, message in RECORD_EDITS:
        edit(tmp_path / "saved", change, and_sign=True)
        with pytest.raises(CheckpointError, match=message):
            load(tmp_path / "saved", plugins)
        path.write_text(saved)


@pytest.mark.parametrize("pruner", ["magnitude-official", "sparsegpt"])
def test_counts_hold_for_every_kind_of_pruner(
    pruner: str, save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    record = save("saved", pruner=pruner)

    assert load(tmp_path / "saved", plugins).identity["weights"] == record.got.weights
    load(tmp_path / "saved", plugins, dtype="bfloat16")


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No pattern is verified until this is undone."""
    monkeypatch.setattr("harness.contract.pruners.check_pattern", lambda *_: None)
    monkeypatch.setattr("harness.masks.check_pattern", lambda *_: None)
    return monkeypatch


class Forgets(Magnitude):
    """Magnitude without the pattern."""

    def prune(self, job: LayerJob) -> LayerResult:
        return super().prune(dataclasses.replace(job, pattern=None))


@pytest.fixture
def forgetful(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """Plugins whose magnitude forgets patterns."""
    found = plugins.local_pruners.get("magnitude")
    fresh = load_plugins()
    monkeypatch.setitem(
        fresh.local_pruners._providers,
        "magnitude",
        [dataclasses.replace(found, given=Forgets)],
    )
    return fresh


@pytest.mark.parametrize("form", ["hf", "masks"])
def test_a_saved_folder_is_held_to_its_pattern(
    form: str,
    tiny_folder: Callable[[str], Path],
    data: Path,
    forgetful: Plugins,
    unguarded: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    spec = vit_spec(
        tiny_folder("vit"),
        data,
        tmp_path / "r",
        ("magnitude",),
        tasks=[],
        pattern={"keep": 2, "of": 4},
    )
    prune_to_folder(spec, forgetful, tmp_path / "saved", form)
    load(tmp_path / "saved", forgetful)
    unguarded.undo()

    crowded = r"vit\.layers\.0\S+: \d+ of \d+ groups of 4 consecutive inputs keep more than 2"
    with pytest.raises(CheckpointError, match=rf"saved: {crowded}"):
        load(tmp_path / "saved", forgetful)


def test_what_the_cache_holds_is_held_to_its_pattern(
    tiny_folder: Callable[[str], Path],
    data: Path,
    forgetful: Plugins,
    unguarded: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    spec = vit_spec(
        tiny_folder("vit"),
        data,
        tmp_path / "r",
        ("magnitude",),
        tasks=[],
        pattern={"keep": 2, "of": 4},
    )
    prune_to_folder(spec, forgetful, tmp_path / "first")
    unguarded.setattr("harness.contract.pruners.check_pattern", check_pattern)
    prune_to_folder(spec, forgetful, tmp_path / "second")  # from the cache
    unguarded.setattr("harness.masks.check_pattern", check_pattern)

    with pytest.raises(VerificationError, match="groups of 4 consecutive inputs keep more than 2"):
        prune_to_folder(spec, forgetful, tmp_path / "third")


def test_zeros_are_counted_whoever_made_them(
    tiny_model: Callable[[str], Model], plugins: Plugins, data: Path, tmp_path: Path
) -> None:
    """Of 24 or 40 inputs three quarters are zero; magnitude takes half of all weights, all zero."""
    model = tiny_model("vit")
    for layer in model.layers:
        model.weight(layer)[:, : layer.shape[1] * 3 // 4] = 0
    model.loaded.save(tmp_path / "sparse")
    spec = vit_spec(tmp_path / "sparse", data, tmp_path / "r", ("magnitude",))

    outcome = run(spec, plugins)
    record = prune_to_folder(spec, plugins, tmp_path / "saved")

    report, numel = record.got.sparsity, record.got.sparsity.model.numel
    assert (report.model.keep, report.model.zeros) == (numel // 2, numel * 3 // 4)
    assert report.zeros_of_dense == numel // 4
    for group in (*report.towers, *report.blocks, *report.layers):
        assert (group.sparsity, group.masked) == (0.75, 0.5)
    rows = {row.name: row for row in outcome.boards[0].rows}
    assert [rows[name].sparsity_text for name in ("dense", "blind")] == ["0.750", "0.750"]
    assert rows["magnitude"].sparsity_text == "0.750 (0.500 masked)"
    assert rows["magnitude"].retained is not None  # it took out what was asked
    assert {r.achieved_sparsity for r in Store(tmp_path / "r").evals()} == {0.75}
    load(tmp_path / "saved", plugins)


def claim_zeros(record: dict[str, Any]) -> None:
    record["got"]["sparsity"]["model"]["zeros"] += 1


def test_zeros_that_a_record_claims_are_counted_again(
    save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved")
    edit(tmp_path / "saved", claim_zeros, and_sign=True)

    with pytest.raises(CheckpointError, match=r"got\.sparsity is not what was counted, \d+ of "):
        load(tmp_path / "saved", plugins)


def test_a_folder_from_before_zeros_were_counted_is_read(
    save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    record = save("saved")

    def forget(content: dict[str, Any]) -> None:
        report = content["got"]["sparsity"]
        for group in (report["model"], *report["towers"], *report["blocks"], *report["layers"]):
            del group["zeros"]
        content["got"]["sparsity"]["zeros_of_dense"] = 0

    edit(tmp_path / "saved", forget, and_sign=True)

    manifest = read_manifest(str(tmp_path / "saved"))
    assert manifest is not None
    old = manifest.record.got.sparsity.model
    assert (old.zeros, old.sparsity) == (None, record.got.sparsity.model.masked)
    assert "zeros" not in json.loads(manifest.record.model_dump_json())["got"]["sparsity"]["model"]
    load(tmp_path / "saved", plugins)


def test_a_folder_of_another_version_is_refused(
    save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved")
    path = tmp_path / "saved" / "harness.json"
    content = json.loads(path.read_text())
    del content["record_digests"]
    path.write_text(json.dumps(content | {"schema_version": 1}))

    with pytest.raises(DataError, match=r"version 1, this harness reads 3; prune and save"):
        load(tmp_path / "saved", plugins)


@pytest.mark.parametrize("kind", ["vit", "gpt2", "llava"])
def test_an_edit_of_any_file_of_a_saved_folder_is_refused_by_name(
    kind: str, tiny_folder: Callable[[str], Path], plugins: Plugins, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    spec = vit_spec(tiny_folder(kind), data, tmp_path / "results", ("magnitude",), tasks=[])
    prune_to_folder(spec, plugins, folder)
    files = [path for path in folder.iterdir() if path.suffix == ".json"]
    files.remove(folder / "harness.json")
    assert folder / "config.json" in files

    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole + b"\n")
        with pytest.raises(CheckpointError, match=f"{path.name} has other bytes than were saved"):
            load(folder, plugins)
        path.unlink()
        with pytest.raises(CheckpointError, match=f"{path.name} is missing"):
            load(folder, plugins)
        path.write_bytes(whole)
    load(folder, plugins)


@pytest.mark.parametrize("form", ["hf", "masks"])
@pytest.mark.parametrize(
    "name",
    [
        "generation_config.json",
        "chat_template.jinja",
        "adapter_config.json",
        "adapter_model.safetensors",
        "additional_chat_templates/other.jinja",
    ],
)
def test_one_more_file_for_a_loader_is_refused_by_name(
    name: str, form: str, save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved", form)
    path = tmp_path / "saved" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")

    with pytest.raises(CheckpointError, match=rf"{name} was not saved with it; a changed folder"):
        load(tmp_path / "saved", plugins)


def test_what_people_and_tools_put_beside_is_no_edit(
    save: Save, plugins: Plugins, tmp_path: Path
) -> None:
    save("saved")
    (tmp_path / "saved" / "README.md").write_text("# Mine")
    (tmp_path / "saved" / ".gitattributes").write_text("*.safetensors filter=lfs")

    load(tmp_path / "saved", plugins)


def test_a_folder_that_fails_leaves_nothing(
    save: Save, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("harness.folder_manifest.write_atomically", full_disk)
    with pytest.raises(CheckpointError, match=r"saved: cannot be written \(No space"):
        save("saved")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "results"]


def test_a_damaged_cache_leaves_the_dense_weights_alone(
    save: Save, tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    record = save("saved", pruner="sparsegpt")
    [cached] = (tmp_path / "results" / "cache" / "masks").iterdir()
    model = tiny_model("vit")
    before = [model.weight(layer).clone() for layer in model.layers]
    damage(cached, lambda tensors: tensors[max(tensors)].add_(1))

    assert not apply_patch(cached, model, record.got)
    assert all(
        torch.equal(model.weight(layer), weight)
        for layer, weight in zip(model.layers, before, strict=True)
    )


@pytest.mark.parametrize(("pruners", "copies"), [(("magnitude",), 0), (("magnitude", "wanda"), 1)])
def test_dense_weights_are_kept_only_for_a_second_pruned_row(
    pruners: tuple[str, ...],
    copies: int,
    tiny_folder: Callable[[str], Path],
    plugins: Plugins,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = []
    keep = Bench.keep_dense
    monkeypatch.setattr(Bench, "keep_dense", lambda bench: (kept.append(bench), keep(bench)))

    run(vit_spec(tiny_folder("vit"), data, tmp_path / "r", pruners), plugins)

    assert len(kept) == copies
