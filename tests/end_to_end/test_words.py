"""Help, completion and lists: they fit 80 columns, and what people type stands there whole."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from harness.cli import COMPLETES, completion, run_command
from harness.cli.commands import app
from harness.cli.render import print_outcome
from harness.cli.screen import Head, stdout
from harness.pipeline import Outcome
from harness.plugin.manager import load_plugins
from tests.end_to_end.worlds import TinyFolder, image_folder
from tests.strangers import install, pruner
from tests.transcripts import in_terminal

WIDTH = 80
PANELS = ("Pruning", "Tasks and data", "Model", "Output", "What runs")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.chdir(tmp_path)


def commands(group: typer.Typer, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All commands, and the groups of them."""
    yield before
    yield from ((*before, str(command.name)) for command in group.registered_commands)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        name = inner.name or inner.typer_instance.info.name
        yield from commands(inner.typer_instance, (*before, str(name)))


def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    capfd.readouterr()
    assert run_command(list(arguments)) == 0, capfd.readouterr().err
    return capfd.readouterr().out


def test_every_command_has_a_short_and_a_long_help_that_fits(
    capfd: pytest.CaptureFixture[str],
) -> None:
    found = list(commands(app))
    assert ("run",) in found
    assert ("data", "plan") in found
    for command in found:
        text = said(capfd, *command, "-h")
        assert text == said(capfd, *command, "--help")
        assert max(map(len, text.splitlines())) <= WIDTH, command
        assert "…" not in text, command


def test_options_stand_in_groups(capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "run", "-h")

    assert all(f"─ {panel} ─" in text for panel in PANELS)
    rest = text.split("─ Options ─")[1].split("╰")[0]
    assert re.findall(r"--[\w-]+", rest) == ["--help"]


@pytest.mark.parametrize(
    ("arguments", "registries"),
    [
        (("plugins",), None),
        (("plugins", "--recipes"), ("recipes",)),
        (
            ("plugins", "--options"),
            ("score_estimators", "budget_allocators", "local_pruners", "calibration_sources"),
        ),
        (("tasks",), ("tasks",)),
        (("models",), ("models", "model_families")),
    ],
)
def test_lists_fit_and_hold_every_name_whole(
    arguments: tuple[str, ...],
    registries: tuple[str, ...] | None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plugins = load_plugins()
    found = (
        plugins.registries() if registries is None else [getattr(plugins, r) for r in registries]
    )

    text = said(capfd, *arguments)

    assert max(map(len, text.splitlines())) <= WIDTH
    words = set(re.split(r"[\s│,:]+", text))
    assert {provider.name for registry in found for provider in registry} <= words


def test_tasks_are_a_line_or_two_each_and_all_about_one_on_request(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert len(said(capfd, "tasks").splitlines()) < 2 * len(list(load_plugins().tasks))
    text = said(capfd, "tasks", "vqav2", "lm_eval:x")
    for words in ("profiles     lavis, official", "harness data fetch vqav2", "generate, rank"):
        assert words in text


def test_sizes_without_weights_are_called_so(capfd: pytest.CaptureFixture[str]) -> None:
    text = said(capfd, "models")

    weights, sizes = text.split("sizes without weights")
    assert "mini-blip2" in weights
    assert "mini-blip2" not in sizes
    assert "llama-7b" in sizes
    assert "`hf download OWNER/NAME`" in sizes


def test_every_calibration_source_says_what_it_reads(capfd: pytest.CaptureFixture[str]) -> None:
    sources = said(capfd, "plugins", "--options").split("calibration sources\n")[1].splitlines()
    for place, line in enumerate(sources):
        if re.match(r"  \S", line):
            assert re.match(r" {6}\S+ \S+", sources[place + 1]), line


def test_the_shell_is_offered_names_after_the_last_comma(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: Path
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "new"))
    assert completion.pruners("magnitude,wanda-v") == [
        *("magnitude,wanda-variant", "magnitude,wanda-variant-official"),
        "magnitude,wanda-vit-official",
    ]
    assert completion.tasks("no") == ["nocaps"]
    assert completion.models("mini-c") == ["mini-clip"]

    monkeypatch.setattr("harness.plugin.manager.load_plugins", None)  # the cache is enough now
    assert completion.tasks("no") == ["nocaps"]
    monkeypatch.undo()

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "new"))
    monkeypatch.syspath_prepend(str(site))
    source = pruner().replace('name="snr", paper', 'name="snr`x`", paper')
    install(site, {"harness_snr.py": source})
    assert completion.pruners("snr") == []  # it is there, and no name that a shell should read
    assert "snr`x`" in (tmp_path / "new" / "completion.json").read_text()
    (tmp_path / "new" / "completion.json").write_text("[]")
    assert completion.tasks("no") == ["nocaps"]


def test_completion_and_the_module_as_a_command() -> None:
    """What the shell asks at a tab; `python -m harness` is the same command."""
    environment = {**os.environ, COMPLETES: "complete_bash", "COMP_CWORD": "1"}
    command = [sys.executable, "-m", "harness"]
    asked = {**environment, "COMP_WORDS": "harness lead"}

    tab = subprocess.run(command, env=asked, capture_output=True, text=True, check=True)
    asked = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = subprocess.run(
        [*command, "--show-completion", "zsh"],
        env=asked,
        capture_output=True,
        text=True,
        check=True,
    )
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)

    assert tab.stdout == "leaderboard\n"
    assert "compdef _harness_completion harness" in script.stdout
    assert version.stdout.startswith("harness ")


def test_whoever_reads_only_the_beginning_gets_no_error() -> None:
    command = [sys.executable, "-u", "-m", "harness", "run", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_plugin_that_makes_every_command_wait_is_named(
    site: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, {"harness_snr.py": "import time; time.sleep(0.3)\n" + pruner()})
    said(capfd, "tasks")
    assert "slow: " not in capfd.readouterr().err

    sys.modules.pop("harness_snr")
    monkeypatch.setattr("harness.cli.loading.SLOW_SECONDS", 0.2)
    assert run_command(["tasks", "--json"]) == 0

    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("slow: ")]
    assert [re.sub(r"[\d.]+ s", "N s", line) for line in told] == [
        "slow: plugin harness-snr 0.1 (snr) took N s to import; every command waits for it"
    ]


@pytest.mark.parametrize(
    ("outcome", "last"),
    [
        (Outcome(planned=["dense on vqav2"]), "next: the same command without --dry-run"),
        (
            Outcome(failures=["x"], tracebacks=["y"]),
            "next: the same command again runs what failed, and only that",
        ),
        (Outcome(), "0 cells evaluated, 0 filed before"),
    ],
)
def test_the_last_line_says_what_to_do_next(
    outcome: Outcome, last: str, capfd: pytest.CaptureFixture[str]
) -> None:
    print_outcome(outcome, Path("results"), as_json=False)

    assert capfd.readouterr().out.splitlines()[-1] == last


def test_a_run_in_a_terminal_counts_its_cells_and_ends_with_files_and_a_command(
    tmp_path: Path, tiny_folder: TinyFolder
) -> None:
    data = image_folder(tmp_path / "data")
    command = [sys.executable, "-m", "harness", "eval", "--model", str(tiny_folder("vit"))]
    command += ["--tasks", "imagenet", "--data", f"imagenet={data}", "--results", "a b"]
    kept = {name: os.environ[name] for name in ("PATH", "HARNESS_CACHE")}

    shown = in_terminal(command, {**kept, "TERM": "xterm", "HF_HUB_OFFLINE": "1"}, 80, tmp_path)

    plain = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search("run +cell 2 of 2", plain)
    assert "so far" in plain
    *_, markdown, table, ending = [line for line in plain.splitlines() if line.strip()]
    assert re.fullmatch(r"board: a b/leaderboards/\S+\.md", markdown)
    assert table == markdown.removesuffix("md") + "csv"
    assert ending == "next: harness leaderboard --results 'a b'"
    assert (tmp_path / markdown.removeprefix("board: ")).is_file()


def test_no_name_is_cut_in_a_table(capfd: pytest.CaptureFixture[str]) -> None:
    long, wide = "a" * 70, "b" * 30
    stdout().table([Head("x", is_whole=True), Head("y", is_whole=True)], [(long, wide)])

    text = capfd.readouterr().out
    assert wide in text
    assert text.count("a") == len(long)
    assert max(map(len, text.splitlines())) <= WIDTH
