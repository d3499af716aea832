"""The installed command: what it prints, files and returns, on the miniature world."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from harness.cli import run_command
from harness_tasks.editions.mini import mini_root
from tests.end_to_end.conftest import Run
from tests.end_to_end.worlds import TinyFolder, contents, image_folder

SMALL = ("--tasks", "vqav2@24,nocaps@9", "--calibration", "mini samples=12")


def test_run_ends_with_a_leaderboard_and_the_second_call_does_nothing(
    harness: Run, tmp_path: Path
) -> None:
    command = ("run", "--pruner", "magnitude,wanda", "--sparsity", "0.5,0.6", *SMALL)

    first, second = harness(*command), harness(*command)

    assert first.returncode == second.returncode == 0, first.stderr
    assert "12 cells evaluated, 0 filed before" in first.stdout
    assert "0 cells evaluated, 12 filed before" in second.stdout
    for word in ("dense", "blind", "magnitude", "wanda", "miniature world", "VQA accuracy"):
        assert word in first.stdout
    assert "allocate: wanda 0.5 seed 0" in first.stderr
    assert "vision            0.5000 = 0.500 0.500" in first.stderr
    boards = sorted(path.suffix for path in (tmp_path / "results" / "leaderboards").iterdir())
    assert boards == [".csv", ".md"]


def test_records_and_logs_lie_where_the_readme_says(harness: Run, tmp_path: Path) -> None:
    harness("run", "--pruner", "magnitude", "--sparsity", "0.6", *SMALL)

    folder = tmp_path / "results" / "records" / "mini-blip2" / "magnitude" / "0.6" / "seedless"
    kinds = sorted(path.name.split("-")[0] + path.suffix for path in folder.iterdir())
    assert kinds == ["eval.gz", "eval.gz", "eval.json", "eval.json", "prune.json"]
    record = json.loads(next(folder.glob("eval-vqav2-*.json")).read_text())
    assert record["asked"]["data"]["edition"] == "mini"
    assert set(record["got"]["breakdown"]) == {"yes/no", "number", "other"}
    assert "comparison" not in record["got"]
    assert record["circumstances"]["seconds"]["evaluate"] > 0


def test_json_a_dry_run_and_a_replay(harness: Run, tmp_path: Path) -> None:
    command = ("run", "--pruner", "wanda", *SMALL)
    planned = json.loads(harness(*command, "--dry-run", "--json").stdout)
    assert len(planned["planned"]) == 7
    assert not (tmp_path / "results").exists()
    done = json.loads(harness(*command, "--json").stdout)
    assert (done["filed"], done["failures"]) == (6, [])
    record = next((tmp_path / "results").glob("records/mini-blip2/wanda/*/*/eval-vqav2-*.json"))

    inside = harness("run", "--from", str(record))
    replay = harness("run", "--from", str(record), "--results", "elsewhere")

    assert inside.returncode == 2
    assert "give another folder by --results" in inside.stderr
    assert replay.returncode == 0, replay.stderr
    assert f"replay of {record.name}: equal" in replay.stdout


def test_a_config_file_says_what_options_say(harness: Run, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        """
        model: mini-blip2
        pruners: [magnitude, "score=magnitude budget=capped-proportional local=magnitude"]
        sparsities: [0.4]
        tasks: ["vqav2/official@12"]
        """
    )

    done = harness("run", "--config", "run.yaml", "--json")

    assert done.returncode == 0, done.stderr
    board = json.loads(done.stdout)["boards"][0]
    assert {row["pruner"] for row in board["rows"]} == {
        "dense",
        "blind",
        "magnitude",
        "score=magnitude budget=capped-proportional local=magnitude",
    }
    [score] = board["rows"][0]["scores"]
    assert re.fullmatch("@12 #[0-9a-f]{6}", score["part"])
    assert (score["task"], score["profile"]) == ("vqav2", "official v1")


def test_prune_save_eval(harness: Run, tmp_path: Path) -> None:
    pruned = harness(
        "prune", "--pruner", "wanda", "--calibration", "mini samples=8", "--save", "out"
    )
    assert pruned.returncode == 0, pruned.stderr
    assert "0.5000" in pruned.stdout

    done = harness("eval", "--model", "out", "--tasks", "vqav2@12", "--data", "mini", "--json")

    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["filed"] == 1
    assert [row["pruner"] for row in outcome["boards"][0]["rows"]] == ["wanda"]


@pytest.mark.parametrize("command", ["plugins", "tasks", "models"])
def test_lists(harness: Run, command: str) -> None:
    table, data = harness(command), harness(command, "--json")

    assert table.returncode == data.returncode == 0
    assert json.loads(data.stdout)
    assert {"plugins": "ecoflap", "tasks": "vqav2", "models": "mini-blip2"}[command] in table.stdout


def test_recipes_with_papers(harness: Run) -> None:
    recipes = {r["name"]: r for r in json.loads(harness("plugins", "--recipes", "--json").stdout)}

    assert recipes["ecoflap"]["score"] == "zeroth-order"
    assert recipes["ecoflap"]["headroom"] == 0.1
    assert "2310.02998" in recipes["ecoflap"]["paper"]
    assert recipes["ecoflap-first"]["family_settings"]["causal-lm"] == {"score.kind": "gradient"}
    assert "t5: budget.aggregate=mean" in harness("plugins", "--recipes").stdout


def test_an_interrupt_files_what_is_done_and_exits_130(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny_folder: TinyFolder,
    tmp_path: Path,
) -> None:
    data = image_folder(tmp_path / "data")
    arguments = [
        *(
            "run",
            "--model",
            str(tiny_folder("vit")),
            "--pruner",
            "magnitude",
            "--tasks",
            "imagenet",
        ),
        *("--data", f"imagenet={data}", "--results", str(tmp_path / "r")),
    ]
    original, calls = _evaluate(), []

    def interrupted(*positional: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*positional, **named)

    monkeypatch.setattr("harness.eval_cell.evaluate", interrupted)

    assert run_command(arguments) == 130
    assert "interrupted; what was done is filed" in capsys.readouterr().err
    assert len(contents(tmp_path / "r")) == 1


def _evaluate() -> object:
    from harness.evaluation import evaluate

    return evaluate


VQA = "v2_OpenEnded_mscoco_val2014_questions.json"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "--pruner", "ecoflp", "--tasks", "vqav2"),
            "did you mean ecoflap or ecoflap-first or ecoflap-exact?",
        ),
        (("run", "--pruner", "wanda", "--tasks", "vqa2"), "did you mean vqav2 or okvqa or gqa?"),
        (
            ("run", "--pruner", "wanda", "--tasks", "vqav2", "--data", "vqav2s=/none"),
            "unknown task 'vqav2s'; did you mean vqav2",
        ),
        (("run", "--pruner", "wanda", "--tasks", "vqav2/offical"), "did you mean official?"),
        (("run", "--pruner", "wanda", "--tasks", "vqav2@"), "subset '' is not N"),
        (("run", "--pruner", "wanda", "--model", "mini-blp2"), "did you mean mini-blip2"),
        (("run", "--pruner", "wanda", "--model", "./nowhere"), "./nowhere: no such folder"),
        (("run", "--pruner", "wanda", "--sparsity", "1.0"), "a number below 1 is needed, not 1.0"),
        (("run", "--pruner", "wanda", "--sparsity", "half"), "'half' is not a number"),
        (("run", "--pruner", "ecoflap p_max=0.3"), "p_max 0.3 is below sparsity 0.5"),
        (("run", "--pruner", "ecoflap score.epz=1"), "did you mean score.eps"),
        (("run", "--pruner", "ecoflap score.eps=small"), "zeroth-order: eps"),
        (("run", "--pruner", "wanda", "--tasks", "vqav2", "--data", "/none"), "no such folder"),
        (("run", "--pruner", "wanda", "--device", "cuda"), "torch sees no GPU here"),
        (
            ("run", "--pruner", "wanda", "--pattern", "2:4", "--sparsity", "0.6"),
            "means sparsity 0.5",
        ),
        (("run", "--pruner", "wanda", "--config", "none.yaml"), "no such file"),
        (("run", "--prunner", "wanda"), "No such option: --prunner"),
        (("leaderboard", "--results", "/none"), "no records"),
    ],
)
def test_wrong_input_is_one_clear_line_and_exit_code_2(
    arguments: tuple[str, ...], message: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    results = (
        ()
        if "--results" in arguments or "--prunner" in arguments
        else ("--results", str(tmp_path / "r"))
    )

    assert run_command([*arguments, *results]) == 2

    captured = capfd.readouterr()
    lines = [
        line for line in captured.err.splitlines() if "error" in line.lower() or message in line
    ]
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert len(lines) <= 2
    assert not (tmp_path / "r" / "records").exists()
    assert sys.exc_info() == (None, None, None)


@pytest.fixture
def faulty(tiny_folder: TinyFolder, tmp_path: Path) -> list[str]:
    """Arguments of a run on a copy of the tiny ViT and an ImageFolder, ready to be damaged."""
    model = tmp_path / "model"
    model.mkdir()
    for path in tiny_folder("vit").iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    data = image_folder(tmp_path / "data")
    return [
        *("run", "--model", str(model), "--pruner", "magnitude", "--tasks", "imagenet"),
        *("--data", f"imagenet={data}", "--results", str(tmp_path / "r")),
    ]


def test_an_unreadable_image_is_named(
    faulty: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = sorted((tmp_path / "data" / "val").rglob("*.png"))[3]
    image.write_bytes(image.read_bytes()[:60])

    assert run_command(faulty) == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {image}: not a readable image")


def test_a_corrupt_checkpoint_is_named(
    faulty: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    assert run_command(faulty) == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {tmp_path / 'model'}: cannot read the weights")


def test_weights_that_are_not_the_models_are_named(
    faulty: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "model" / "model.safetensors"
    tensors = load_file(weights)
    del tensors["classifier.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})

    assert run_command(faulty) == 2
    assert "1 missing tensors, first classifier.weight" in capfd.readouterr().err


def test_a_question_without_a_field_is_named(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["run", "--pruner", "dense", "--tasks", "vqav2", "--dry-run"]) == 0
    folder = tmp_path / "vqav2"
    shutil.copytree(mini_root(cache) / "vqav2", folder)
    questions = json.loads((folder / VQA).read_text())
    del questions["questions"][7]["question_id"]
    (folder / VQA).write_text(json.dumps(questions))
    capfd.readouterr()

    code = run_command(["run", "--pruner", "dense", "--tasks", "vqav2", "--data", str(tmp_path)])

    error = capfd.readouterr().err.splitlines()[-1]
    assert code == 2
    assert f"{folder / VQA}, questions[7]: field 'question_id' is missing" in error


def test_masks_are_exported_and_come_back(
    tmp_path: Path,
    tiny_folder: TinyFolder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = ("--model", str(tiny_folder("vit")), "--results", str(tmp_path / "r"))
    full, masks, again = (str(tmp_path / name) for name in ("full", "masks", "again"))
    assert run_command(["prune", "--pruner", "magnitude", *spec, "--save", full]) == 0
    assert run_command(["export", full, "--to", "masks", "--save", masks]) == 0
    assert run_command(["export", masks, "--to", "hf", "--save", again]) == 0

    path = "model.safetensors"
    assert (Path(again) / path).read_bytes() == (Path(full) / path).read_bytes()
    capsys.readouterr()
    for wrong, message in (
        (("export", full, "--to", "2:4", "--device", "cpu", "--save", "x"), "not on cpu; nothing"),
        (("export", full, "--to", "hf", "--save", masks), "is not empty; nothing is overwritten"),
        (("export", str(tiny_folder("vit")), "--to", "hf", "--save", "x"), "has no harness.json"),
        (("export", full, "--to", "masks", "--save", "x", "--dense", "d"), "has its own weights"),
        (("export", full, "--to", "hf", "--save", "x", "--base", "b"), "goes with --to lavis"),
        (("export", masks, "--to", "lavis", "--save", "x", "--dense", "d"), "takes --base alone"),
        (("export", masks, "--to", "lavis", "--save", "x"), "--to hf --save FOLDER"),
        (
            ("export", full, "--to", "lavis", "--save", "x"),
            "LAVIS has no ViTForImageClassification",
        ),
        (("eval", "--model", full, "--dense", "d", "--tasks", "imagenet"), "has its own weights"),
    ):
        assert run_command(list(wrong)) == 2
        assert message in capsys.readouterr().err
    assert not Path("x").exists()


def test_all_folders_that_are_missing_are_named_at_once(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))

    assert run_command(["eval", "--tasks", "vqav2,gqa,nocaps", "--data", "full"]) == 2

    [first, *others] = capfd.readouterr().err.splitlines()[-3:]
    for line, task in zip([first, *others], ("vqav2", "gqa", "nocaps"), strict=True):
        assert f"{tmp_path}/full/{task}: no such folder" in line


def test_a_task_whose_needs_are_not_installed_is_absent_and_the_others_run(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_tasks.okvqa.find_spec", lambda _: None)
    asked = ["eval", "--results", str(tmp_path), "--json", "--tasks"]

    assert run_command([*asked, "okvqa/lavis,vqav2@4,vqav2@4"]) == 1

    printed = capfd.readouterr()
    outcome = json.loads(printed.out)
    assert outcome["filed"] == 2  # dense and blind
    [reason] = outcome["absent"]
    assert "okvqa/lavis needs spacy and en_core_web_sm" in reason
    [board] = outcome["boards"]
    assert [score["task"] for score in board["rows"][0]["scores"]] == ["vqav2"]
    assert run_command([*asked, "okvqa/lavis"]) == 2
    assert "okvqa/lavis needs spacy" in capfd.readouterr().err
