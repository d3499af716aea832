"""Runs in this process: what is filed, what is not done again, what is equal to what."""

import dataclasses
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import harness.eval_cell
from harness.calibration import CalibrationSet
from harness.errors import CheckpointError, InfeasibleError, InputError, RunError
from harness.leaderboard import to_markdown
from harness.model import load_model
from harness.pipeline import prune_to_folder, run
from harness.plugin import LayerJob, LayerResult
from harness.plugin.manager import Plugins, load_plugins
from harness.pruning import prune
from harness.spec import ModelSpec, RunSpec
from harness.store import Store
from tests.end_to_end.worlds import TinyFolder, contents, image_folder, snapshot, vit_spec

Spec = Callable[..., RunSpec]
ALL = ("dense", "magnitude", "wanda", "ecoflap score.samples=2")


@pytest.fixture
def world(tiny_folder: TinyFolder, tmp_path: Path) -> Spec:
    data = image_folder(tmp_path / "data")

    def spec(results: str, *pruners: str, **changes: Any) -> RunSpec:
        return vit_spec(tiny_folder("vit"), data, tmp_path / results, pruners or ALL, **changes)

    return spec


def test_the_second_call_evaluates_nothing_and_changes_no_byte(
    world: Spec, plugins: Plugins
) -> None:
    spec = world("r", sparsities=[0.5, 0.6])
    first = run(spec, plugins)
    before = snapshot(spec.results)

    second = run(spec, plugins)

    assert (first.filed, first.skipped) == (16, 0)
    assert (second.filed, second.skipped) == (0, 16)
    assert snapshot(spec.results) == before


def test_adding_a_task_prunes_nothing_again(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_task = [{"name": "imagenet", "subset": {"start": 0, "stop": 10}}]
    run(world("r", tasks=one_task), plugins)
    before = snapshot(world("r").results / "records")

    def refuse(*_: Any) -> Any:
        raise AssertionError("pruned again")

    monkeypatch.setattr("harness.prune_cell.prune", refuse)
    monkeypatch.setattr("harness.prune_cell.score", refuse)
    outcome = run(world("r"), plugins)

    after = snapshot(world("r").results / "records")
    assert not outcome.failures
    assert outcome.filed == 5
    assert before.items() <= after.items()


def test_every_sparsity_bears_the_cost_of_the_scores_they_share(
    world: Spec, plugins: Plugins
) -> None:
    run(world("r", ALL[-1], sparsities=[0.5, 0.6]), plugins)
    run(world("r", ALL[-1], sparsities=[0.7]), plugins)

    costs = [record.circumstances for record in Store(world("r").results).prunes()]
    assert len(costs) == 3
    assert len({cost.seconds["score"] for cost in costs}) == 1
    assert costs[0].seconds["score"] > 0


def test_rounds_prune_more_and_more_and_never_take_back(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []

    def watched(*arguments: Any) -> Any:
        pruned = prune(*arguments)
        rounds.append(dict(pruned.masks))
        return pruned

    monkeypatch.setattr("harness.prune_cell.prune", watched)
    outcome = run(world("r", "global-gradient score.samples=4"), plugins)

    assert not outcome.failures
    [record] = Store(world("r").results).prunes()
    total = record.got.sparsity.model.numel
    kept = [sum(int(mask.sum()) for mask in masks.values()) for masks in rounds]
    assert kept == [total - math.floor(total * 0.5 ** (3 / i)) for i in (1, 2, 3)]
    for before, after in itertools.pairwise(rounds):
        assert all(bool((before[name] | ~after[name]).all()) for name in before)
    assert record.asked.rounds == 3
    assert record.got.sparsity.model.keep == record.got.target_keep == kept[-1]


def test_without_the_cache_the_same_model_is_pruned_again(world: Spec, plugins: Plugins) -> None:
    one_task = [{"name": "imagenet", "subset": {"start": 0, "stop": 10}}]
    run(world("r", tasks=one_task), plugins)
    for path in (world("r").results / "cache").rglob("*.safetensors"):
        path.write_bytes(b"damaged")

    outcome = run(world("r"), plugins)

    assert not outcome.failures
    assert contents(world("r").results) == _fresh(world, plugins)


def _fresh(world: Spec, plugins: Plugins) -> dict[str, Any]:
    run(world("fresh"), plugins)
    return contents(world("fresh").results)


def test_from_scratch_records_are_equal_outside_circumstances(
    world: Spec, plugins: Plugins
) -> None:
    run(world("a"), plugins)
    run(world("b"), plugins)

    assert contents(world("a").results) == contents(world("b").results)
    samples = [
        {path.name: path.read_bytes() for path in world(name).results.rglob("*.samples.jsonl.gz")}
        for name in "ab"
    ]
    assert samples[0] == samples[1]


def test_the_order_of_the_grid_changes_nothing(world: Spec, plugins: Plugins) -> None:
    """Every variant starts from the dense weights, whatever was pruned before it."""
    run(world("a"), plugins)
    run(world("b", *ALL[::-1], sparsities=[0.5]), plugins)

    assert contents(world("a").results) == contents(world("b").results)


def test_deterministic_recipes_ignore_the_seed_and_dense_the_sparsity(
    world: Spec, plugins: Plugins
) -> None:
    spec = world("r", "magnitude", "wanda", sparsities=[0.3, 0.5], seeds=[0, 1, 2])
    run(spec, plugins)

    seeds = [(r.pruner, r.asked.sparsity, r.asked.seed) for r in Store(spec.results).prunes()]
    assert sorted(s for s in seeds if s[0] == "magnitude") == [
        ("magnitude", 0.3, None),
        ("magnitude", 0.5, None),
    ]
    assert len([s for s in seeds if s[0] == "wanda"]) == 6
    assert len([r for r in Store(spec.results).evals() if r.row == "dense"]) == 2


def test_sparsity_is_exact_and_counted(world: Spec, plugins: Plugins) -> None:
    spec = world("r", sparsities=[0.37])
    run(spec, plugins)

    for record in Store(spec.results).prunes():
        report = record.got.sparsity
        assert report.model.keep == report.model.numel - int(report.model.numel * 0.37)
        assert sum(g.keep for g in report.blocks) == report.model.keep
        assert sum(g.keep for g in report.layers) == record.got.target_keep
        assert record.got.budget == {g.name: g.keep for g in report.layers}


def test_n_of_m_holds_in_every_group(world: Spec, plugins: Plugins, tmp_path: Path) -> None:
    spec = world("r", "wanda", pattern={"keep": 2, "of": 4}, tasks=[])

    prune_to_folder(spec, plugins, tmp_path / "saved")

    model = load_model(ModelSpec(name=str(tmp_path / "saved")), plugins)
    for layer in model.layers:
        kept = (model.weight(layer) != 0).reshape(-1, 4).sum(dim=1)
        assert bool((kept <= 2).all())


def test_a_saved_folder_loads_with_the_same_weights(
    world: Spec, plugins: Plugins, tmp_path: Path
) -> None:
    record = prune_to_folder(world("r", "wanda", tasks=[]), plugins, tmp_path / "saved")

    model = load_model(ModelSpec(name=str(tmp_path / "saved")), plugins)
    manifest = json.loads((tmp_path / "saved" / "harness.json").read_text())

    assert model.identity["weights"] == record.got.weights == manifest["record"]["got"]["weights"]
    with pytest.raises(CheckpointError, match="is not empty; nothing is overwritten"):
        prune_to_folder(world("r", "wanda", tasks=[]), plugins, tmp_path / "saved")


def test_a_saved_folder_is_evaluated_as_the_cell_it_is(
    world: Spec, plugins: Plugins, tmp_path: Path
) -> None:
    prune_to_folder(world("r", "wanda", tasks=[]), plugins, tmp_path / "saved")
    run(world("r", "wanda"), plugins)
    run(world("dense", "dense"), plugins)

    as_saved = {"model": {"name": str(tmp_path / "saved")}}
    again = run(world("r", "dense", **as_saved), plugins)
    alone = run(world("dense", "dense", **as_saved), plugins)

    assert (again.filed, again.skipped) == (0, 2)
    assert (alone.filed, alone.skipped) == (2, 0)
    assert contents(world("dense").results) == contents(world("r").results)
    assert [row.name for row in alone.boards[0].rows] == ["dense", "blind", "wanda"]


def test_a_changed_checkpoint_is_refused(world: Spec, plugins: Plugins, tmp_path: Path) -> None:
    prune_to_folder(world("r", "wanda", tasks=[]), plugins, tmp_path / "saved")
    manifest = tmp_path / "saved" / "harness.json"
    manifest.write_text(manifest.read_text().replace('"weights": "', '"weights": "0'))
    spec = world("r2", "dense", model={"name": str(tmp_path / "saved")})

    with pytest.raises(CheckpointError, match="record.asked.model is not what was saved"):
        run(spec, plugins)


def test_a_folder_holds_one_pruned_model(world: Spec, plugins: Plugins, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one pruned model; 3 are asked for"):
        prune_to_folder(world("r"), plugins, tmp_path / "saved")


class Cheat:
    """Says it keeps what it should and leaves the weights as they are in half of the layers."""

    name = "cheat"
    statistics = frozenset()
    data_free = True

    def prune(self, job: LayerJob) -> LayerResult:
        keep = torch.zeros(job.info.shape, dtype=torch.bool)
        keep.view(-1)[: job.keep_count + (job.info.block == 1)] = True
        return LayerResult(keep=keep)


def test_a_cell_that_fails_is_filed_and_the_others_go_on(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_plugins()
    wanda = loaded.local_pruners.get("wanda").given
    monkeypatch.setattr(wanda, "prune", Cheat.prune)
    spec = world("r", "wanda", "magnitude")

    outcome = run(spec, loaded)

    assert outcome.failures == [
        "wanda 0.5 seed 0: PartError: local pruner wanda of pruning-harness 0.1.0 on "
        "vit.layers.1.attention.q_proj: kept 289 weights, 288 are asked for"
    ]
    assert {r.row for r in Store(spec.results).evals()} == {"dense", "blind", "magnitude"}
    assert [r.row for r in Store(spec.results).failures()] == ["wanda"]
    monkeypatch.undo()

    assert run(spec, plugins).failures == []
    assert {r.row for r in Store(spec.results).evals()} >= {"wanda"}


@pytest.mark.parametrize("fails", ["dense", "magnitude"])
def test_what_fails_at_first_is_compared_when_it_is_made_good(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Whether dense or the pruned model comes later: the board is that of a run without faults."""
    evaluate = harness.eval_cell.evaluate

    def fail_once(model: Any, task: Any, *, is_blind: bool, **options: Any) -> Any:
        is_dense = not any(int((model.weight(i) == 0).sum()) for i in model.layers)
        if not is_blind and is_dense == (fails == "dense"):
            raise RunError("out of memory")
        return evaluate(model, task, is_blind=is_blind, **options)

    spec = world("r", "magnitude", sparsities=[0.95], tasks=[{"name": "imagenet"}])
    monkeypatch.setattr("harness.eval_cell.evaluate", fail_once)
    [first] = run(spec, plugins).boards
    monkeypatch.undo()
    [second] = run(spec, plugins).boards

    assert "out of memory" in to_markdown(first)
    assert "out of memory" not in to_markdown(second)
    [pruned] = [row for row in second.rows if row.name == "magnitude"]
    [score] = pruned.scores.values()
    assert None not in (score.delta, score.low, score.high, score.p, score.q, score.flips)
    if fails == "dense":
        [before] = [row.scores for row in first.rows if row.name == "magnitude"]
        [before] = before.values()
        assert (before.value, before.delta, before.p) == (score.value, None, None)
        assert before.absent == {"delta": "the dense model has no score here yet"}
        assert "delta is absent: the dense model has no score here yet" in to_markdown(first)


def test_activations_that_are_no_numbers_file_a_failure_and_no_result(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = CalibrationSet.batches

    def poisoned(self: CalibrationSet, *arguments: Any, **options: Any) -> Any:
        made = batches(self, *arguments, **options)
        made[0]["pixel_values"][0] = math.nan
        return made

    monkeypatch.setattr(CalibrationSet, "batches", poisoned)

    outcome = run(world("r", "wanda"), plugins)

    assert outcome.failures == [
        "wanda 0.5 seed 0: RunError: layer vit.layers.0.attention.q_proj: activations of "
        "calibration batch 1 are NaN or infinite; finite ones are needed"
    ]
    assert not list(Store(world("r").results).prunes())


def test_a_recipe_has_settings_for_the_models_family(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    get = plugins.recipes.get
    wanda = get("wanda")
    own = dataclasses.replace(wanda.given, family_settings={"vit": {"local.compare": "layer"}})
    given = {"wanda": dataclasses.replace(wanda, given=own)}
    monkeypatch.setattr(plugins.recipes, "get", lambda name: given.get(name) or get(name))

    record = prune_to_folder(world("r", "wanda", tasks=[]), plugins, tmp_path / "saved")
    run(world("r", "wanda"), plugins)

    assert [r.asked for r in Store(world("r").results).prunes()] == [record.asked]
    assert record.asked.parts[-1].options == {"compare": "layer"}


def test_a_budget_from_a_file_is_identified_by_what_it_holds(
    world: Spec, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pruner = "budget=from-file budget.path=b.yaml local=wanda"
    (tmp_path / "b.yaml").write_text("vision: 0.5\nvision.0: 0.6\nvision.1: 0.4\n")
    run(world("r", pruner), plugins)
    again = run(world("r", pruner), plugins)
    [made] = Store(world("r").results).prunes()
    [path] = world("r").results.rglob("prune-*.json")

    (tmp_path / "b.yaml").write_text("vision: 0.5\n")
    edited = run(world("r", pruner), plugins)
    run(world("replay", f"budget=from-file budget.path={path} local=wanda"), plugins)

    assert (again.filed, edited.filed) == (0, 2)
    assert len({r.key for r in Store(world("r").results).prunes()}) == 2
    [replayed] = Store(world("replay").results).prunes()
    assert replayed.got == made.got
    sparsities = {g.name: round(g.sparsity, 2) for g in made.got.sparsity.blocks}
    assert sparsities == {"vision.0": 0.6, "vision.1": 0.4}


def test_infeasible_caps_stop_the_run_before_it_starts(world: Spec, plugins: Plugins) -> None:
    with pytest.raises((InfeasibleError, InputError), match="p_max 0.4 is below sparsity 0.5"):
        run(world("r", "ecoflap p_max=0.4"), plugins)

    assert not world("r").results.exists()


def test_a_dry_run_says_what_would_run_and_files_nothing(world: Spec, plugins: Plugins) -> None:
    outcome = run(world("r", "wanda"), plugins, dry=True)

    assert outcome.planned == [
        "dense on imagenet",
        "dense on imagenet",
        "blind on imagenet",
        "blind on imagenet",
        "prune wanda 0.5 seed 0",
        "wanda 0.5 seed 0 on imagenet",
        "wanda 0.5 seed 0 on imagenet",
    ]
    assert not world("r").results.exists()


def test_what_was_calibrated_on_is_counted(world: Spec, plugins: Plugins) -> None:
    run(world("r", "wanda", "magnitude"), plugins)

    overlap = {r.row: 0 for r in Store(world("r").results).evals()}
    for record in Store(world("r").results).evals():
        overlap[record.row] += record.got.calibration_overlap
    assert overlap["wanda"] == 6
    assert overlap["magnitude"] == overlap["dense"] == 0


def test_a_calibration_subset_and_the_rest_do_not_meet(world: Spec, plugins: Plugins) -> None:
    spec = world("r", "wanda", tasks=[{"name": "imagenet", "subset": {"start": 8}}])
    first_eight = {"subset": {"start": 0, "stop": 8}, "samples": 8}
    calibration = spec.calibration.model_dump() | first_eight

    run(world("r", "wanda", tasks=spec.tasks, calibration=calibration), plugins)

    assert all(r.got.calibration_overlap == 0 for r in Store(spec.results).evals())


def test_pruning_again_to_something_else_is_an_error(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E.g. on other hardware: the filed record must not be spoken for by other weights."""
    one_task = [{"name": "imagenet", "subset": {"start": 0, "stop": 10}}]
    run(world("r", "wanda", tasks=one_task), plugins)
    for path in (world("r").results / "cache").rglob("*.safetensors"):
        path.unlink()
    wanda = plugins.local_pruners.get("wanda").given
    monkeypatch.setattr(wanda, "prune", _random_mask)

    outcome = run(world("r", "wanda"), plugins)

    assert "pruning again gave other weights" in outcome.failures[0]


def _random_mask(self: object, job: LayerJob) -> LayerResult:
    scores = torch.rand(job.info.shape, generator=job.rng)
    keep = torch.zeros(job.info.shape, dtype=torch.bool).view(-1)
    keep[scores.view(-1).argsort()[: job.keep_count]] = True
    return LayerResult(keep=keep.view(job.info.shape))


def test_errors_name_the_corrupt_checkpoint(
    world: Spec, plugins: Plugins, tiny_folder: TinyFolder, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in tiny_folder("vit").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    with pytest.raises(CheckpointError, match="broken: cannot read the weights"):
        run(world("r", "dense", model={"name": str(folder)}), plugins)
    assert issubclass(RunError, Exception)
