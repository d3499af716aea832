"""The doctor tells what is wrong here, and nothing else makes it end with 1."""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from harness import dependencies
from harness.cli import run_command
from harness.cli.doctor import STATES
from harness.dependencies import locked_versions, read_lock, requirements_of
from harness.doctor import find_lacks
from harness.plugin.manager import load_plugins
from tests.strangers import install, pruner

#: What scripts may rely on.
SCHEMA = {
    "": "harness location python platform dependencies lacks folders devices plugins broken twice "
    "is_sound",
    "dependencies": "name of extra installed wanted tested state",
    "lacks": "what why",
    "folders": "what path exists writable free_bytes",
    "devices": "name model memory_bytes threads",
    "plugins": "distribution version plugins parts seconds slow",
    "broken": "plugin distribution version reason traceback",
}
NEEDY = """
class Needy:
    name, profiles = "needy", ()
    @classmethod
    def missing(cls):
        {answer}
@hp.hookimpl
def harness_tasks():
    return [Needy]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("harness_snr", None)


def checkup(capfd: pytest.CaptureFixture[str], *, code: int) -> dict[str, list[dict[str, object]]]:
    assert run_command(["doctor", "--json"]) == code
    return json.loads(capfd.readouterr().out)


def test_its_json_has_the_same_keys_on_every_machine(
    site: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, {"harness_snr.py": "import no_such_library"})
    monkeypatch.setattr("harness_tasks.okvqa.find_spec", lambda _: None)

    found = checkup(capfd, code=1)

    assert list(found) == SCHEMA[""].split()
    for part, keys in SCHEMA.items():
        if part:
            assert found[part], part
            assert all(list(row) == keys.split() for row in found[part])
    [broken] = found["broken"]
    assert (broken["plugin"], broken["distribution"]) == ("snr", "harness-snr")
    assert "no_such_library" in str(broken["traceback"])


def test_what_is_optional_may_be_missing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_tasks.okvqa.find_spec", lambda _: None)
    monkeypatch.setattr("harness_tasks.metrics.captions.shutil.which", lambda _: None)
    monkeypatch.setattr("harness_plugins.adapters.find_spec", lambda _: None)

    found = checkup(capfd, code=0)

    lacks = {row["what"]: str(row["why"]) for row in found["lacks"]}
    assert "spacy" in lacks["task okvqa: profile lavis"]
    assert "[adapters]" in lacks["model family causal-lm: folders with adapters"]
    assert "Java" in lacks["task coco-caption, nocaps: METEOR"]


def test_what_a_strangers_task_needs_is_told_too(site: Path) -> None:
    install(site, {"harness_snr.py": pruner() + NEEDY.format(answer='return {"clips": "no disk"}')})

    lacks = {lack.what: lack.why for lack in find_lacks(load_plugins())}

    assert lacks["task needy: clips"] == "no disk"


def test_a_probe_that_fails_is_one_more_thing_that_does_not_work(site: Path) -> None:
    install(site, {"harness_snr.py": pruner() + NEEDY.format(answer="return 1 / 0")})

    lacks = {lack.what: lack.why for lack in find_lacks(load_plugins())}

    assert lacks["task needy"].startswith("its `missing` failed: ZeroDivisionError")
    assert "harness_snr.py:23 of harness-snr 0.1" in lacks["task needy"]


def test_a_requirement_of_a_plugin_that_is_not_met_is_wrong(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(site, {"harness_snr.py": pruner()})
    metadata = site / "harness_snr-0.1.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: numpy<1\n")

    assert run_command(["doctor"]) == 1

    assert "wrong: harness-snr needs numpy<1, which is outside its range (" in (
        capfd.readouterr().out
    )


def requirements(folder: Path, *wanted: str) -> list[dependencies.Dependency]:
    information = folder / "some-1.dist-info"
    information.mkdir()
    lines = "".join(f"Requires-Dist: {line}\n" for line in wanted)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: some\nVersion: 1\n{lines}")
    return list(requirements_of(PathDistribution(information), {"numpy": "2.0"}))


def test_ranges_extras_and_markers_are_read_from_the_metadata(tmp_path: Path) -> None:
    found = requirements(
        tmp_path,
        "NumPy>=1",
        "numpy<1; extra == 'old'",
        "no-such-thing>=3; extra == 'more'",
        "other; sys_platform == 'nowhere'",
        "pytest; extra == 'test'",
    )

    assert [(i.name, i.extra, i.wanted, i.tested, i.state) for i in found] == [
        ("numpy", "", ">=1", "2.0", "ok"),
        ("no-such-thing", "more", ">=3", None, "missing"),
        ("numpy", "old", "<1", "2.0", "outside"),
    ]
    assert [i.is_needed for i in found] == [True, False, False]
    assert {i.state for i in found} <= set(STATES)


def test_the_lock_says_what_was_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_lock("# made\nA_b==1.0\nc==2 ; sys_platform == 'nowhere'\nc==3\n") == {
        "a-b": "1.0",
        "c": "3",
    }
    assert "transformers" in locked_versions()
    monkeypatch.setattr(dependencies, "LOCKS", (Path("nowhere"),))
    assert locked_versions() == {}


def test_no_name_is_cut_at_eighty_columns(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("harness_plugins.adapters.find_spec", lambda _: None)
    monkeypatch.setattr("harness_tasks.okvqa.find_spec", lambda _: None)

    assert run_command(["doctor"]) == 0

    lines = capfd.readouterr().out.splitlines()
    tables = [line for line in lines if line.startswith(("┏", "│", "└"))]
    assert tables
    assert max(map(len, tables)) <= 80
    assert not any("…" in line for line in tables)
    assert any("pycocoevalcap [coco]" in line for line in lines)
    assert any("pruning-harness[adapters]" in line for line in lines)
    assert lines[-1] == "nothing is broken"
