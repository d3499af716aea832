"""Structured pruning and fine-tuning by the installed command, on the miniature model."""

import json
from pathlib import Path
from typing import Any

from tests.end_to_end.conftest import Run

UPOP = "upop search.steps=4 search.every=2 search.retraining_steps=4 search.batch_size=4"
SMALL = ("--tasks", "vqav2", "--limit", "8", "--json")
CALIBRATION = ("--calibration", "mini samples=8")


def row_of(boards: list[dict[str, Any]], pruner: str) -> tuple[dict[str, Any], dict[str, Any]]:
    [found] = [(b, row) for b in boards for row in b["rows"] if row["pruner"] == pruner]
    return found


def test_upop_runs_shrinks_saves_and_loads(harness: Run, tmp_path: Path) -> None:
    done = harness("run", "--pruner", UPOP, *SMALL, "--results", "r")
    assert done.returncode == 0, done.stderr
    name = "upop " + " ".join(sorted(UPOP.split()[1:]))
    board, row = row_of(json.loads(done.stdout)["boards"], name)
    assert "pruned and retrained" in board["title"]
    assert 0.495 < row["achieved"] <= 0.5
    [record] = (tmp_path / "r" / "records").rglob("prune-*.json")
    got = json.loads(record.read_text())["got"]
    assert got["is_shrunk"]
    assert got["trained_on"]
    assert min(got["units"].values()) >= 1

    saved = harness("prune", "--pruner", UPOP, "--save", "small", "--results", "r")
    assert saved.returncode == 0, saved.stderr
    own = json.loads((tmp_path / "small" / "harness.json").read_text())
    assert own["record"]["got"] == got
    again = harness("eval", "--model", "small", "--data", "mini", *SMALL, "--results", "r")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["skipped"] == 1  # it is the cell that the run filed
    fresh = harness("eval", "--model", "small", "--data", "mini", *SMALL, "--results", "r2")
    assert fresh.returncode == 0, fresh.stderr
    samples = {
        json.loads(path.read_text())["got"]["samples"]
        for folder in ("r", "r2")
        for path in (tmp_path / folder / "records").glob("*/upop*/**/eval-*.json")
    }
    assert len(samples) == 1


def test_fine_tuned_rows_keep_the_masks_and_stand_on_a_board_of_their_own(
    harness: Run, tmp_path: Path
) -> None:
    common = ("run", "--pruner", "wanda", *SMALL, *CALIBRATION, "--results", "r")
    one_shot = harness(*common)
    assert one_shot.returncode == 0, one_shot.stderr
    tuned = harness(*common, "--finetune", "steps=2 batch_size=4")
    assert tuned.returncode == 0, tuned.stderr

    boards = json.loads(tuned.stdout)["boards"]
    plain, _ = row_of(boards, "wanda")
    retrained, row = row_of(boards, "wanda + finetune steps=2 batch_size=4")
    assert plain["name"] != retrained["name"]
    assert "pruned and retrained" in retrained["title"]
    assert row["achieved"] == 0.5
    records = [
        json.loads(p.read_text()) for p in (tmp_path / "r" / "records").rglob("prune-*.json")
    ]
    assert len({record["got"]["masks"] for record in records}) == 1
    assert len({record["got"]["weights"] for record in records}) == 2
    [trained] = [record["got"] for record in records if record["asked"]["finetune"]]
    assert not set(trained["trained_on"]) & set(trained["calibrated_on"])


def test_what_cannot_be_trained_is_told_in_one_line(harness: Run) -> None:
    told = {
        ("--finetune", "step=5"): "unknown setting of --finetune 'step'; did you mean steps?",
        ("--finetune", "steps=2", "--train", "mini-trian"): "did you mean mini-train",
    }
    for options, message in told.items():
        failed = harness("run", "--pruner", "wanda", *SMALL, *CALIBRATION, *options)
        assert failed.returncode == 2, (options, failed.stderr)
        assert message in failed.stderr, (options, failed.stderr)
        assert failed.stderr.count("error:") == 1, failed.stderr
