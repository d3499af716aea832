"""A pattern fixes every layer's count: budgets play no part, and rows say so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.leaderboard import to_markdown
from harness.pipeline import run
from harness.plugin import ScoreSession
from harness.plugin.manager import Plugins
from harness.store import Store
from harness_plugins.methods.owl import OutlierRatio
from harness_plugins.methods.wanda import ActivationScore
from tests.end_to_end.worlds import TinyFolder, image_folder, vit_spec

PATTERN = {"pattern": {"keep": 2, "of": 4}, "sparsities": [0.5]}
ALONE = {"wanda", "magnitude"}
BUDGETS = {
    "owl": "owl",
    "owl-official": "owl-official",
    "atp budget.beta=0.05": "depth-progression",
    "ecoflap": "capped-proportional",
}
SCORED = "score=activation budget=pooled-threshold local=scores local.compare=row"


def never(_: Any, session: ScoreSession) -> Iterator[Any]:
    raise AssertionError(f"{len(session.layers)} layers are scored for nothing")


def test_rows_that_a_pattern_makes_alike_say_so(
    tiny_folder: TinyFolder, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OutlierRatio, "score", never)
    pruners = (*sorted(ALONE), *BUDGETS)
    data = image_folder(tmp_path / "data")
    spec = vit_spec(tiny_folder("vit"), data, tmp_path / "r", pruners, **PATTERN)

    outcome = run(spec, plugins)

    assert not outcome.failures
    store = Store(spec.results)
    by_name = {record.pruner.removesuffix(" 2:4"): record for record in store.prunes()}
    assert by_name.keys() == {*ALONE, *BUDGETS}
    for name, budget in BUDGETS.items():
        assert by_name[name].got.masks == by_name["wanda"].got.masks
        assert by_name[name].asked.unused_budget == (
            f"2:4 fixes every layer's count: the budget of {budget} plays no part"
        )
    assert all(by_name[name].asked.unused_budget is None for name in ALONE)
    [board] = outcome.boards
    remarks = {row.name.removesuffix(" 2:4"): row.remarks for row in board.rows}
    assert {name for name, own in remarks.items() if own} == BUDGETS.keys()
    assert "- owl 2:4 0.5: 2:4 fixes every layer's count" in to_markdown(board)


def test_scores_that_a_pruner_reads_are_made(
    tiny_folder: TinyFolder, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores per weight also say which weights stay: here those of Wanda on the dense model."""
    made: list[str] = []
    original = ActivationScore.score

    def watched(self: ActivationScore, session: ScoreSession) -> Iterator[Any]:
        made.append(self.name)
        yield from original(self, session)

    monkeypatch.setattr(ActivationScore, "score", watched)
    data = image_folder(tmp_path / "data")
    spec = vit_spec(tiny_folder("vit"), data, tmp_path / "r", (SCORED,), **PATTERN)

    outcome = run(spec, plugins)

    assert not outcome.failures
    assert made == ["activation"]


def test_without_a_pattern_budgets_decide(
    tiny_folder: TinyFolder, plugins: Plugins, tmp_path: Path
) -> None:
    data = image_folder(tmp_path / "data")
    spec = vit_spec(tiny_folder("vit"), data, tmp_path / "r", ("owl", "wanda"), sparsities=[0.5])

    run(spec, plugins)

    owl, wanda = sorted(Store(spec.results).prunes(), key=lambda record: record.pruner)
    assert owl.got.masks != wanda.got.masks
    assert owl.asked.unused_budget is None
