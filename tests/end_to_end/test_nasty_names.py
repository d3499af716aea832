"""Whatever a plugin, a record or a folder is called, no command chokes on it or passes it on."""

import json
import re
import shutil
from pathlib import Path

import pytest

from harness.cli import run_command
from harness.errors import UnknownNameError
from harness.store import Store
from tests.end_to_end.worlds import TinyFolder, image_folder
from tests.nasty import NAMES, is_inert, nasty_records
from tests.strangers import install

PLUGIN = """\
from pathlib import Path
import harness.plugin as hp

NAMES, TEXTS = {names!r}, {texts!r}

def prune(self, job): ...
def folder(self): return Path(__file__).parent
def never(self, *given): ...

def named(**given):
    return [type("Part", (), {{"name": name, "__doc__": name, **given}}) for name in NAMES]

def make_task(name, text):
    manifest = hp.Manifest(task=name, title=text, page=text, licence=text, note=text)
    members = {{"metric": hp.Metric(name=text), "profiles": (), "manifest": manifest}}
    members |= {{"load": never, "ask": never, "score": never, "name": name}}
    return type("Part", (), members)

@hp.hookimpl
def harness_recipes():
    given = {{"paper": "\\x1b[/x]", "local": ("a", "[/b]"), "settings": {{"<b>": "\\u202e"}}}}
    return [hp.Recipe(name=name, **given) for name in NAMES]

@hp.hookimpl
def harness_local_pruners():
    return named(statistics=frozenset(), prune=prune)

@hp.hookimpl
def harness_models():
    return named(edition="full", calibration="", train="", folder=folder)

@hp.hookimpl
def harness_tasks():
    texts = TEXTS + TEXTS
    return [make_task(name, texts[place]) for place, name in enumerate(NAMES)]
"""
#: Names that a plugin may give, which have no blank, comma or equals sign, and no colon.
GIVEN = tuple(name for name in NAMES if not re.search(r"[\s,=:]", name))
#: Some of them all at once.
WORST = "m[/v2]|<b>`-1\x1b[31m\u202e\u2066"
COMMANDS = (
    ("plugins",),
    ("plugins", "--recipes"),
    ("plugins", "--options"),
    ("tasks",),
    ("models",),
    ("doctor",),
)


@pytest.fixture
def site(site: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """The same, with commands that run in the folder that it lies in."""
    monkeypatch.chdir(site.parent)
    return site


def printed(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """What a command says on stdout and on stderr, none of which a terminal obeys."""
    capfd.readouterr()
    run_command(list(arguments))
    said = capfd.readouterr()
    assert is_inert(said.out), arguments
    assert is_inert(said.err), arguments
    return said.out, said.err


def test_names_of_plugins_are_text_in_every_list(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(site, {"harness_snr.py": PLUGIN.format(names=GIVEN, texts=NAMES)})

    for command in COMMANDS:
        text, _ = printed(capfd, *command)
        assert "m[/v2]" in text or command == ("doctor",), command
        content, _ = printed(capfd, *command, "--json")
        assert json.loads(content)
    given = {part["name"] for part in json.loads(printed(capfd, "plugins", "--json")[0])["plugins"]}
    assert given >= set(GIVEN)
    assert printed(capfd, "tasks", "--", *GIVEN)[0]
    assert printed(capfd, "data", "plan", "--", *GIVEN)[0]


def test_names_that_nothing_answers_to_are_text_in_errors(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(site, {"harness_snr.py": PLUGIN.format(names=GIVEN, texts=NAMES)})

    for name in (WORST, "[bold red]x[/]", "a\nb"):
        for arguments in (
            ("models", "show", f"{name} no"),
            ("tasks", f"{name} no"),
            ("run", "--pruner", f"{name} no", "--tasks", "vqav2"),
            (f"--{name}",),
            ("run", "--config", name),
            ("leaderboard", "--results", f"no{name}"),
        ):
            out, error = printed(capfd, *arguments)
            assert out == ""
            assert error.startswith("error: "), arguments
            assert len(error.splitlines()) == 1
    assert str(UnknownNameError("task", "a\x1b", [])) == "unknown task 'a\\x1b'; there are none"


def test_a_plugin_that_is_set_aside_is_named_as_text(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(site, {"harness_snr.py": 'raise ValueError("[/v2] \\x1b[31m \\u202e")\n'})

    for command in (("plugins",), ("doctor",), ("plugins", "--traceback")):
        text, told = printed(capfd, *command)
        assert "[/v2] \\x1b[31m \\u202e" in text + told


def test_names_in_records_are_text_on_boards(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store = Store(tmp_path / "r")
    prunes, evals, failures = nasty_records()
    for prune in prunes:
        store.file_prune(prune)
    for record in evals:
        store.file_eval(record, [])
    for failure in failures:
        store.file_failure(failure)

    text, _ = printed(capfd, "leaderboard", "--results", str(store.root))
    boards = json.loads(printed(capfd, "leaderboard", "--results", str(store.root), "--json")[0])

    assert "m[/v2] on data of" in text.replace("\n", " ") or "m[/v2]" in text
    assert {row["pruner"] for board in boards for row in board["rows"]} >= set(NAMES)
    files = [*(tmp_path / "r" / "leaderboards").iterdir()]
    assert len(files) == 2 * len(NAMES)
    assert all(is_inert(path.read_text()) for path in files)


def test_a_run_on_folders_of_nasty_names(
    tiny_folder: TinyFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"{WORST}\n"
    name = name.replace("/", "")
    model, data, results = (tmp_path / f"{kind} {name}" for kind in ("model", "data", "results"))
    shutil.copytree(tiny_folder("vit"), model)
    image_folder(data / "imagenet")
    arguments = ("--tasks", "imagenet", "--data", str(data), "--results", str(results))
    arguments = ("run", "--model", str(model), "--pruner", "magnitude", *arguments)

    plan, _ = printed(capfd, *arguments, "--dry-run")
    done, course = printed(capfd, *arguments)

    assert "would run: prune magnitude 0.5" in plan
    assert "3 cells evaluated" in done
    assert "\\x1b[31m" in course
    [page] = (results / "leaderboards").glob("*.md")
    assert is_inert(page.read_text())
    assert "<b>" not in page.read_text()
