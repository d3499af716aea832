"""Runs of estimators that leave the weights changed: every cell starts from the dense model."""

from pathlib import Path
from typing import Any

import pytest

from harness.pipeline import run
from harness.plugin.manager import Plugins
from harness.store import Store
from tests.end_to_end.worlds import TinyFolder, contents, image_folder, vit_spec

DRIFTS = "ecoflap-official score.samples=2"


def test_a_drifted_model_is_the_same_alone_in_a_grid_and_from_the_cache(
    tiny_folder: TinyFolder, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = image_folder(tmp_path / "data")

    def spec(results: str, *pruners: str, **changes: Any) -> Any:
        return vit_spec(tiny_folder("vit"), data, tmp_path / results, pruners, **changes)

    first_task = [{"name": "imagenet", "subset": {"start": 0, "stop": 10}}]
    run(spec("grid", DRIFTS, "wanda", sparsities=[0.4, 0.5]), plugins)
    run(spec("alone", DRIFTS, sparsities=[0.5], tasks=first_task), plugins)
    monkeypatch.setattr("harness.prune_cell.prune", None)
    outcome = run(spec("alone", DRIFTS, sparsities=[0.5]), plugins)

    assert not outcome.failures
    grid, alone = contents(tmp_path / "grid"), contents(tmp_path / "alone")
    assert alone.items() <= grid.items()
    assert not list((tmp_path / "grid").rglob("scores/*.json"))
    drifted = [r for r in Store(tmp_path / "alone").prunes() if r.pruner == DRIFTS]
    assert len(drifted) == 1
    assert drifted[0].got.target_keep != drifted[0].got.sparsity.model.keep
