"""What a config says is used or refused, and it is read as data alone."""

from pathlib import Path
from typing import Any

import pytest

from harness.cli import run_command
from harness.cli.specs import OF_PRUNING, build_spec
from harness.errors import InputError
from harness.spec import PrunerSpec, RunSpec


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "run.yaml"


def test_every_part_is_used(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    config.write_text(
        f"model: {{name: m, device: cpu, dtype: bfloat16, images: short=8 crop=8 mean=0 std=1, "
        f"ignore_tensors: 'v.*,w.*', backend: lavis=/e}}\n"
        f"pruners: wanda,ecoflap p_max=0.7\nsparsities: 0.75\nseeds: 3\n"
        f"tasks: vqav2@5k,gqa\npattern: '1:4'\ndata: mini\ncalibration: text=/t samples=3\n"
        f"train: mini-train\nfinetune: steps=2\nbatch_size: 7\n"
        f"results: {tmp_path}/r\ncache: {tmp_path}/c\n"
    )

    spec = build_spec(config=config)

    assert spec.model.device == "cpu"
    assert spec.model.dtype == "bfloat16"
    assert spec.model.ignore_tensors == ("v.*", "w.*")
    assert spec.model.images is not None
    assert spec.model.backend is not None
    assert [pruner.label for pruner in spec.pruners] == ["wanda", "ecoflap p_max=0.7"]
    assert (spec.sparsities, spec.seeds, spec.batch_size) == ((0.75,), (3,), 7)
    assert [task.name for task in spec.tasks] == ["vqav2", "gqa"]
    assert (spec.results, spec.cache) == (tmp_path / "r", tmp_path / "c")
    assert (spec.calibration.source, spec.calibration.samples) == ("text", 3)
    assert spec.finetune is not None


def test_options_go_before_it(config: Path, tmp_path: Path) -> None:
    config.write_text(
        "model: {device: auto}\npruners: magnitude\nresults: r\npattern: '2:4'\ntasks: vqav2"
    )

    spec = build_spec(
        config=config, device="cpu", results=tmp_path, pattern="1:4", limit=3, pruner="wanda"
    )

    assert (spec.model.device, spec.results, spec.sparsities) == ("cpu", tmp_path, (0.75,))
    assert [task.limit for task in spec.tasks] == [3]
    assert [pruner.recipe for pruner in spec.pruners] == ["wanda"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle: x", "unknown field 'modle'; did you mean model?"),
        ("model: {devce: cpu}", "unknown field of model 'devce'; did you mean device"),
        ("model: {device: tpu}", "--device tpu: not a device; cpu, cuda, cuda:N or auto"),
        ("model: {device: 3}", "model.device: a text is needed, not 3"),
        ("model: ''", "model.name: a text of at least 1 characters is needed, not ''"),
        ("sparsities: [50]", "a number below 1 is needed, not 50.0; sparsity is a share"),
        ("sparsities: [.nan]", "sparsities.0: a finite number is needed, not nan"),
        ("seeds: [-1]", "seeds.0: at least 0 is needed, not -1"),
        ("batch_size: 99999999999", "batch_size: at most 2147483647 is needed"),
        ("tasks: [vqav2@3:1]", "subset '3:1' holds nothing"),
        ("finetune: {lr: 1}", "finetune.steps is missing"),
        ("model: x\nmodel: y", "line 2: key 'model' stands twice"),
        ("model: {name: a, name: b}", "line 1: key 'name' stands twice"),
        ("1: x", "line 1: key '1' is no text"),
        ("a: &x [1]\nb: *x", "line 2: aliases (*) are not read; write it out"),
        ("model: !!python/object/apply:os.system [touch made]", "could not determine a construct"),
        ("model: !x y", "could not determine a constructor for the tag '!x'"),
        ("[" * 100_000, "more than 20 mappings and lists lie in one another"),
        ("- a", "a mapping is needed, not list"),
        ("", "a mapping is needed, not NoneType"),
        ('results: "a\\0b"', "holds a NUL character"),
        ("model: x: y", "line 1: mapping values are not allowed here"),
        ("a" * (1 << 21), "longer than 1,048,576 bytes"),
    ],
)
def test_what_is_not_used_is_refused_in_one_line(
    text: str,
    message: str,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config.write_text(text)
    monkeypatch.chdir(config.parent)

    assert run_command(["run", "--config", str(config), "--pruner", "wanda", "--dry-run"]) == 2

    [line] = capfd.readouterr().err.splitlines()
    assert message in line
    assert "Input should" not in line
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (None, "no such file"),
    ],
)
def test_a_file_that_is_no_text(content: bytes | None, message: str, config: Path) -> None:
    if content is not None:
        config.write_bytes(content)

    with pytest.raises(InputError, match=message):
        build_spec(config=config)


def test_a_link_to_something_else_is_not_quoted(config: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password: [hunter2")
    config.symlink_to(secret)

    with pytest.raises(InputError) as caught:
        build_spec(config=config)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", OF_PRUNING)
def test_evaluating_has_no_use_for_what_is_of_pruning(
    key: str, config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config.write_text(f"{key}: wanda\ntasks: vqav2")

    assert run_command(["eval", "--config", str(config)]) == 2

    assert f"{key} plays no part in `harness eval`" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval"], "--tasks: name the tasks to evaluate on"),
        (["run", "--pruner", "wanda", "--limit", "3"], "--limit 3: goes with --tasks"),
        (["run", "--pruner", ""], "--pruner: nothing given"),
        (["run", "--pruner", "wanda '"], 'pruner "wanda \'": no closing quotation'),
        (["run", "--pruner", "ecoflap p_max=0.5 p_max=0.6"], "p_max stands twice"),
        (["run", "--pruner", "ecoflap score.eps=nan"], "'nan': a number is finite here"),
        (["run", "--pruner", "wanda", "--sparsity", "٣"], "--sparsity: '٣' is not a number"),
        (["run", "--pruner", "wanda", "--seed", "9" * 5000], "is not a number"),
        (["run", "--pruner", "wanda", "--pattern", "²:4"], "neither 'unstructured' nor n:m"),
        (["run", "--pruner", "wanda", "--tasks", "/x"], "task '/x' is not NAME"),
        (["run", "--pruner", "wanda", "--data", ""], "--data: nothing given"),
        (["run", "--pruner", "wanda", "--backend", "lavis="], "is not NAME or NAME=ENVIRONMENT"),
        (["run", "--pruner", "wanda", "--model", ""], "--model: a text of at least 1"),
        (["run", "--pruner", "wanda", "--images", "short=2 crop=3 mean=0 std=1"], "does not fit"),
        (["run", "--pruner", "wanda", "--calibration", "=x"], "it begins with SOURCE"),
        (["models", "show", ""], "name: a text of at least 1 characters is needed"),
        (["models", "show", "a" * 3000], "File name too long"),
        (["eval", "--tasks", "vqav2", "--model", "a" * 3000], "File name too long"),
    ],
)
def test_options_are_used_or_refused_in_one_line(
    words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command(words) == 2

    [line] = capfd.readouterr().err.splitlines()
    assert message in line
    assert len(line) <= 400


def test_a_label_reads_as_the_pruner_it_is_of(config: Path) -> None:
    from harness.notation import parse_pruner

    settings: dict[str, Any] = {"local.a": "two words", "score.b": "it's", "score.c": True}
    pruner = PrunerSpec(recipe="x", settings=settings)

    assert PrunerSpec(**parse_pruner(pruner.label)) == pruner
    assert set(OF_PRUNING) < set(RunSpec.model_fields)
