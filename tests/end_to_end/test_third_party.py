"""A stranger's package, installed and used like a bundled plugin."""

import json
from pathlib import Path

from tests.end_to_end.conftest import THIRD_PARTY, Run


def test_the_package_is_small_and_knows_only_the_door() -> None:
    source = (THIRD_PARTY / "stranger" / "harness_stranger.py").read_text()

    assert len(source.splitlines()) < 60
    imports = [line for line in source.splitlines() if "import" in line and "harness" in line]
    assert imports == ["import harness.plugin as hp"]


def test_it_is_listed_run_and_ranked(harness: Run, stranger: Path, tmp_path: Path) -> None:
    path = {"PYTHONPATH": str(stranger)}

    listed = json.loads(harness("plugins", "--json", **path).stdout)
    done = harness(
        *("run", "--pruner", "stranger,score=spread budget=capped-proportional local=wanda"),
        *("--tasks", "vqav2@40", "--json"),
        **path,
    )

    mine = {
        (p["kind"], p["name"]) for p in listed["plugins"] if p["distribution"] == "harness-stranger"
    }
    assert mine == {
        ("score estimator", "spread"),
        ("budget allocator", "last-first"),
        ("local pruner", "column-norm"),
        ("pruner", "stranger"),
    }
    assert done.returncode == 0, done.stderr
    board = json.loads(done.stdout)["boards"][0]
    rows = {row["pruner"]: row for row in board["rows"]}
    assert rows["stranger"]["origin"] == "harness-stranger 0.3"
    assert rows["stranger"]["achieved"] == 0.5
    composed = rows["score=spread budget=capped-proportional local=wanda"]
    assert composed["origin"] == "harness-stranger 0.3, pruning-harness 0.1.0"
    markdown = (tmp_path / "results" / "leaderboards" / f"{board['name']}.md").read_text()
    assert "harness-stranger 0.3" in markdown


def test_without_it_its_recipe_is_unknown(harness: Run) -> None:
    done = harness("run", "--pruner", "stranger", "--tasks", "vqav2@40")

    assert done.returncode == 2
    assert "unknown pruner 'stranger'" in done.stderr
