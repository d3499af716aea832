"""``harness data``: what it prints and returns."""

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import run_command
from harness_tasks.editions.mini import mini_root
from tests.tasks.test_hub_copies import vqa_rows, write

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


def test_plan_says_what_a_fetch_would_do(capsys: Printed, tmp_path: Path) -> None:
    (tmp_path / "cache" / "full" / "nocaps").mkdir(parents=True)
    (tmp_path / "cache" / "full" / "nocaps" / "nocaps_val_4500_captions.json").write_text("{}")

    assert run_command(["data", "plan", "nocaps", "vqav2", "--json"]) == 0
    nocaps, vqav2 = json.loads(capsys.readouterr().out)
    assert run_command(["data", "plan", "vqav2", "nlvr2", "--hub"]) == 0
    shown = capsys.readouterr().out

    assert [file["state"] for file in nocaps["files"]] == [
        "there",
        "convert lmms-lab-encoder/NoCaps",
    ]
    assert vqav2["folder"] == str(tmp_path / "cache" / "full" / "vqav2")
    assert vqav2["examples"] == 214354
    assert all(file["state"].startswith("download http") for file in vqav2["files"])
    assert "convert lmms-lab-encoder/VQAv2" in shown
    assert (
        "lmms-lab-encoder/VQAv2 = lmms-lab/VQAv2@32665d35052eb4a6d4414851c3c829a72754915a" in shown
    )
    assert "(validation 214,354 rows; a commit that is not pinned is recorded)" in shown
    assert "CC BY 4.0" in shown
    assert "dev: dev.json, dev/ (6,982 items; read where no other layout is)" in shown


def test_fetch_from_a_local_copy_then_verify(capsys: Printed, tmp_path: Path) -> None:
    write(tmp_path / "hub" / "validation-0.parquet", vqa_rows("vqav2"))
    out = tmp_path / "part"
    command = ["data", "fetch", "vqav2", "--from", str(tmp_path / "hub")]

    assert run_command(command) == 2
    assert "4 rows in the files of validation-*.parquet, not the 214,354" in capsys.readouterr().err
    assert run_command([*command, "--part"]) == 2
    assert "--part needs --to DIR" in capsys.readouterr().err
    assert run_command([*command, "--part", "--to", str(out)]) == 0
    assert "vqav2: sound, 4 items, a part, digest " in capsys.readouterr().out
    assert run_command(["data", "plan", "vqav2", "--data", f"vqav2={out}"]) == 0
    assert "4 items, digest" in capsys.readouterr().out
    assert run_command(["data", "verify", "vqav2", "--data", f"vqav2={out}"]) == 0
    assert not (tmp_path / "cache").exists()

    image = out / "val2014" / "COCO_val2014_000000000007.jpg"
    image.write_bytes(image.read_bytes() + b" ")

    assert run_command([*command, "--part", "--to", str(out)]) == 2
    assert f"error: {image}: has " in capsys.readouterr().err
    assert run_command(["data", "verify", "vqav2", "--data", f"vqav2={out}", "--json"]) == 2
    [verdict] = json.loads(capsys.readouterr().out)
    assert len(verdict["problems"]) == 1


def test_many_faults_are_counted(cache: Path, capsys: Printed, tmp_path: Path) -> None:
    shutil.copytree(mini_root(cache) / "vqav2", tmp_path / "vqav2")
    command = ["data", "verify", "vqav2", "--data", str(tmp_path)]
    assert run_command([*command, "--part"]) == 0
    shutil.rmtree(tmp_path / "vqav2" / "val2014")
    capsys.readouterr()

    assert run_command(command) == 2

    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert len(errors) == 21
    assert errors[-1] == "error: and 380 more"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "vqa2"], "did you mean vqav2"),
        (["verify", "vqav2"], "no such folder. VQAv2, validation: `harness data fetch vqav2`"),
        (["verify", "vqav2", "--part"], "--part needs --data"),
        (["fetch", "vqav2", "gqa", "--to", "x"], "--to x takes one task, not 2"),
        (["fetch", "vqav2", "--from", "/none"], "/none: no such folder"),
        (["fetch", "ucf101"], "test/ of ucf101 cannot be fetched; get it from https://"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], message: str, capsys: Printed) -> None:
    assert run_command(["data", *arguments]) == 2

    [line] = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert message in line


def test_the_mini_edition_is_a_part_without_being_called_one(
    capsys: Printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody expects all 214,354 questions of it."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))

    assert run_command(["data", "verify", "vqav2", "eurosat", "--data", "mini"]) == 0

    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("vqav2: sound, 1,200 items, a part")
    assert second.startswith("eurosat: sound, 100 items, a part")
    assert run_command(["data", "verify", "vqav2", "eurosat", "--data", "mini", "--json"]) == 0
    assert [found["task"] for found in json.loads(capsys.readouterr().out)] == ["vqav2", "eurosat"]
