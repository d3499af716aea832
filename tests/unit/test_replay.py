"""A record of a stranger's says names and numbers, and never a place or a program."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import run_command
from harness.cli.replay import replay_spec
from harness.errors import InputError
from harness.record import Circumstances
from harness.store import encode
from tests.unit.test_leaderboard import eval_record

SPEC: dict[str, Any] = {
    "model": {"name": "mini-blip2", "device": "cuda:7", "dtype": "float32"},
    "pruners": [{"recipe": "wanda", "settings": {"local.compare": "row"}}],
    "sparsities": [0.5],
    "seeds": [3],
    "tasks": [{"name": "vqav2", "subset": {"stop": 8}, "prompt": "Question: {}"}],
    "calibration": {"source": "mini", "samples": 4},
    "batch_size": 16,
    "results": "/elsewhere",
    "cache": "/elsewhere",
}
PLACE = "/a/place"
NOTHING_GIVEN = dict.fromkeys(
    (
        *("config", "model", "pruner", "sparsity", "seed", "tasks", "data", "include_path"),
        *("calibration", "train", "finetune", "device", "dtype", "images", "backend", "init"),
        *("ignore_tensors", "dense", "batch_size", "limit", "pattern", "results"),
    )
)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "from" / "eval-vqav2-1234.json"


def write(path: Path, spec: dict[str, Any]) -> None:
    made = eval_record("wanda", 50.0)
    changed = made.model_copy(update={"circumstances": Circumstances(spec=spec)})
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode(changed))


def replayed(path: Path, **given: Any) -> Any:
    return replay_spec(path, NOTHING_GIVEN | {"results": path.parent.parent / "r"} | given)


def test_names_and_numbers_are_taken(record: Path) -> None:
    write(record, SPEC)

    spec = replayed(record, device="cpu")

    assert (spec.model.name, spec.model.device) == ("mini-blip2", "cpu")
    assert (spec.seeds, spec.batch_size, spec.tasks[0].subset.stop) == ((3,), 16, 8)
    assert (spec.tasks[0].prompt, spec.calibration.samples) == ("Question: {}", 4)
    assert PLACE not in spec.model_dump_json()
    assert "/elsewhere" not in spec.model_dump_json()


BACKEND = {"name": "lavis", "environment": PLACE}
FROM_FILE = {"recipe": "wanda", "budget": "from-file", "settings": {"budget.path": "a"}}
ATTACKS: list[tuple[dict[str, Any], str, str]] = [
    ({"model": {"name": PLACE}}, "--model", "mini-blip2"),
    ({"model": {"name": "someone/model"}}, "--model", "mini-blip2"),
    ({"model": {"name": "mini-blip2", "dense": PLACE}}, "--dense", "mini-blip2"),
    ({"model": {"name": "mini-blip2", "backend": BACKEND}}, "--backend", "lavis=/own"),
    ({"pruners": [FROM_FILE]}, "--pruner", "wanda"),
    ({"pruners": [{"recipe": "x", "settings": {"local.a": "../b"}}]}, "--pruner", "wanda"),
    ({"calibration": {"source": "captions", "path": PLACE}}, "--calibration", "captions=/own"),
    ({"calibration": {"options": {"split": PLACE}}}, "--calibration", "mini"),
    ({"train": {"source": "captions", "path": PLACE}}, "--train", "captions=/own"),
    ({"data": {"root": PLACE}}, "--data", "mini"),
    ({"data": {"folders": {"lm_eval": PLACE}}}, "--data", "lm_eval=/own"),
]


@pytest.mark.parametrize(("change", "option", "answer"), ATTACKS)
def test_a_place_or_a_program_is_asked_for_by_its_option(
    change: dict[str, Any], option: str, answer: str, record: Path
) -> None:
    write(record, SPEC | change)

    with pytest.raises(InputError, match=rf"not taken from it: say {option}$"):
        replayed(record)

    spec = replayed(record, **{option.removeprefix("--"): answer})
    assert PLACE not in spec.model_dump_json()
    assert "../b" not in spec.model_dump_json()


def test_the_folder_of_an_options_own_may_be_lm_evals(record: Path) -> None:
    write(record, SPEC | {"data": {"folders": {"lm_eval": PLACE}}})

    spec = replayed(record, include_path=Path("/own"))

    assert spec.data.folders == {"lm_eval": Path("/own")}


def test_what_an_option_says_of_calibration_keeps_the_records_counts(record: Path) -> None:
    write(record, SPEC | {"calibration": {"source": "captions", "path": PLACE, "samples": 9}})

    spec = replayed(record, calibration="captions=/own")

    assert (spec.calibration.path, spec.calibration.samples) == (Path("/own"), 9)


def test_no_program_of_a_records_is_started(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    python = tmp_path / "evil" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    python.chmod(0o755)
    evil = {"name": "lavis", "environment": str(tmp_path / "evil")}
    write(record, SPEC | {"model": {"name": "mini-blip2", "backend": evil}})

    assert run_command(["run", "--from", str(record)]) == 2

    assert "say --backend" in capfd.readouterr().err
    assert not (tmp_path / "started").exists()


def test_no_lm_eval_folder_of_a_records_is_read(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef f(doc): return ''")
    (folder / "t.yaml").write_text("task: t\ndataset_path: json\ndoc_to_text: !function code.f\n")
    data = {"folders": {"lm_eval": str(folder)}}
    write(record, SPEC | {"tasks": [{"name": "lm_eval:t"}], "data": data})

    assert run_command(["run", "--from", str(record)]) == 2

    assert "say --data" in capfd.readouterr().err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("option", ["seed", "tasks", "sparsity", "limit", "config", "batch_size"])
def test_an_option_that_the_record_says_already_is_refused(option: str, record: Path) -> None:
    write(record, SPEC)
    name = option.replace("_", "-")

    with pytest.raises(InputError, match=f"--{name}: does not go with --from"):
        replayed(record, **{option: "1"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a EvalRecord: no JSON"),
        (b"[" * 100_000, "not a EvalRecord: no JSON"),
        (b'{"a":' * 100_000, "not a EvalRecord: no JSON"),
        (b"[]", "not a EvalRecord: a mapping is needed"),
        (b'{"x": 1}', "unknown field 'x'"),
        (b"\xff\xfe", "not a EvalRecord"),
    ],
)
def test_bombs_and_nonsense_are_one_line(
    content: bytes, message: str, record: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    record.parent.mkdir()
    record.write_bytes(content)

    assert run_command(["run", "--from", str(record)]) == 2

    [line] = capfd.readouterr().err.splitlines()
    assert message in line
    assert len(line) <= 400


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("got", "score"), "NaN", "a number is needed, not nan"),
        (("got", "score"), "x", "got.score: a number is needed, not 'x'"),
        (("asked", "batch_size"), [], "asked.batch_size: a whole number is needed"),
        (("circumstances", "spec"), 3, "circumstances.spec: a mapping is needed"),
        (("circumstances", "spec"), {}, "circumstances.spec: model is missing"),
        (("circumstances", "spec"), {"model": {"name": "a\0"}}, "holds a NUL character"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    place: tuple[str, str], value: Any, message: str, record: Path
) -> None:
    write(record, SPEC)
    content = json.loads(record.read_text())
    content[place[0]][place[1]] = value
    record.write_text(json.dumps(content))

    with pytest.raises(InputError) as caught:
        replayed(record)

    assert message in str(caught.value)
