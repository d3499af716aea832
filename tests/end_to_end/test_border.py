"""What plugins print, raise and warn of at the border of the installed command."""

import json
import warnings
from pathlib import Path

import pytest

from harness.cli import run_command
from harness.record import FailureRecord
from harness.store import Store
from tests.end_to_end.conftest import Run
from tests.strangers import install, pruner

NOISE = """\
import atexit, logging, os, subprocess, sys, threading, warnings

def noise(where):
    print("print", where)
    sys.stdout.write(f"sys.stdout {where}\\n")
    sys.__stdout__.write(f"sys.__stdout__ {where}\\n")
    os.write(1, f"descriptor {where}\\n".encode())
    subprocess.run(["/bin/sh", "-c", f"echo process {where}"], check=True)
    thread = threading.Thread(target=print, args=("thread", where))
    thread.start()
    thread.join()
    warnings.warn(f"warning {where}", stacklevel=1)
    logging.getLogger(__name__).warning("log %s", where)

noise("import")
"""
RUN = ("run", "--pruner", "snr", "--tasks", "vqav2@12", "--calibration", "mini samples=4")
VOICES = ("print", "sys.stdout", "sys.__stdout__", "descriptor", "process", "thread")
REASON = (
    "local pruner snr of harness-snr 0.1 on vision_model.encoder.layers.0.self_attn.qkv: raised "
    "AttributeError: 'Tensor' object has no attribute 'no_such_attribute' "
    "(harness_snr.py:7 of harness-snr 0.1)"
)


@pytest.fixture
def site(site: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """The same, with commands that run in the folder that it lies in."""
    monkeypatch.chdir(site.parent)
    return site


def test_nothing_that_a_plugin_prints_spoils_json(harness: Run, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(
        site,
        {"harness_snr.py": NOISE + 'atexit.register(noise, "exit")\n' + pruner('noise("prune")')},
    )

    done = harness(*RUN, "--json", PYTHONPATH=str(site))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["filed"] == 3
    for voice in (*VOICES, "warning", "log"):
        for where in ("import", "prune", "exit"):
            assert f"{voice} {where}\n" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("plugins", "--json"),
        ("plugins", "--recipes", "--json"),
        ("tasks", "--json"),
        ("models", "--json"),
        ("models", "show", "mini-blip2", "--json"),
        ("data", "plan", "vqav2", "--json"),
        ("run", "--pruner", "snr", "--dry-run", "--json"),
    ],
)
def test_whichever_command_prints_json_it_prints_nothing_else(
    command: tuple[str, ...], site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(site, {"harness_snr.py": NOISE + pruner()})

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_command(list(command)) == 0, capfd.readouterr().err

    printed = capfd.readouterr()
    assert json.loads(printed.out)
    for voice in VOICES[:-1]:
        assert f"{voice} import\n" in printed.err


def test_a_replay_prints_one_json(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command(["eval", "--tasks", "vqav2@4", "--results", "r"]) == 0
    record = next(Path("r").rglob("eval-vqav2-*.json"))
    capfd.readouterr()

    assert run_command(["run", "--from", str(record), "--results", "other", "--json"]) == 0

    printed = capfd.readouterr()
    assert json.loads(printed.out)["filed"] >= 1
    assert f"replay of {record.name}: equal" in printed.err


def test_a_failure_in_a_plugin_names_its_line_and_keeps_its_traceback(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(site, {"harness_snr.py": pruner("job.weight.no_such_attribute")})

    assert run_command(list(RUN)) == 1
    run = capfd.readouterr()
    assert run_command([*RUN, "--traceback", "--json"]) == 1
    shown = capfd.readouterr()

    assert f"failed: snr 0.5 seed 0: PartError: {REASON}" in run.err
    assert "Traceback" not in run.err
    [record] = Store(Path("results")).failures()
    assert record.reason == f"PartError: {REASON}"
    assert 'harness_snr.py", line 7, in prune' in record.circumstances.traceback
    assert 'harness_snr.py", line 7, in prune' in shown.err
    assert json.loads(shown.out)["failures"] == [f"snr 0.5 seed 0: PartError: {REASON}"]


def test_prune_shows_a_traceback_on_request_alone(
    site: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, {"harness_snr.py": pruner("job.weight.no_such_attribute")})
    prune = ["prune", "--pruner", "snr", "--calibration", "mini samples=4", "--save", "saved"]

    assert run_command(prune) == 1
    died = capfd.readouterr().err
    assert run_command([*prune, "--traceback"]) == 1
    asked = capfd.readouterr().err
    monkeypatch.setenv("HARNESS_TRACEBACK", "1")
    assert run_command(prune) == 1
    told = capfd.readouterr().err

    assert died.splitlines()[-1] == f"error: {REASON}; --traceback shows where"
    assert "Traceback" not in died
    for text in (asked, told):
        assert f"error: {REASON}\n" in text
        assert 'harness_snr.py", line 7, in prune' in text


def test_a_deliberate_error_has_a_traceback_too(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "show", "nobody", "--traceback"]) == 2

    assert "Traceback" in capfd.readouterr().err


def test_a_plugin_that_exits_while_it_prunes_fails_its_cell_alone(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(site, {"harness_snr.py": pruner("raise SystemExit(0)")})

    assert run_command(list(RUN)) == 1

    printed = capfd.readouterr()
    assert "failed: snr 0.5 seed 0: SystemExit: 0 (harness_snr.py:7 of" in printed.err
    assert "dense" in printed.out


def test_records_of_failures_without_a_traceback_are_still_read() -> None:
    assert FailureRecord.model_fields["circumstances"].annotation().traceback == ""


@pytest.mark.parametrize("shown", [False, True])
def test_what_a_library_warns_of_stands_in_the_record_or_is_shown_on_request(
    shown: bool, site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(site, {"harness_snr.py": f"import some_library\n{pruner('some_library.old()')}"})
    library = "import warnings\ndef old(): warnings.warn('old', FutureWarning, stacklevel=2)\n"
    (site / "some_library.py").write_text(library)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_command([*RUN, *(["--warnings"] if shown else [])]) == 0

    errors = capfd.readouterr().err
    [record] = Store(Path("results")).prunes()
    kept = record.circumstances.warnings
    assert ("some_library: FutureWarning: old" in kept) is not shown
    if not shown:
        assert "Warning" not in errors


def test_the_installed_doctor_finds_itself_sound(harness: Run) -> None:
    done = harness("doctor", "--json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["is_sound"]
    assert {"torch", "transformers"} <= {i["name"] for i in found["dependencies"]}
    assert found["devices"][0]["name"] == "cpu"
