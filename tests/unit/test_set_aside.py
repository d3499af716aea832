"""Every way to get a plugin wrong is told in one usable line, wherever its name is missed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import run_command
from harness.errors import UnknownNameError
from harness.plugin.manager import load_plugins
from tests.strangers import install, pruner

FINE = pruner()
SetAside = Callable[..., str]


def edited(old: str, new: str) -> str:
    assert old in FINE
    return FINE.replace(old, new)


MISTAKES = {
    "import error": (
        f"import no_such_library\n{FINE}",
        "ModuleNotFoundError: No module named 'no_such_library' (harness_snr.py:1 of "
        "harness-snr 0.1)",
    ),
    "syntax error": (edited("return [Snr]", "return [Snr"), "SyntaxError: '[' was never closed"),
    "unknown hook": (
        edited("harness_local_pruners", "harness_local_pruner"),
        "there is no hook 'harness_local_pruner'; did you mean harness_local_pruners?",
    ),
    "hook that is not marked": (
        edited("@hp.hookimpl\ndef harness_local_pruners", "def harness_local_pruners"),
        "harness_local_pruners is not marked; put @harness.plugin.hookimpl before it",
    ),
    "hook that takes arguments": (
        edited("harness_local_pruners()", "harness_local_pruners(plugins)"),
        "hook harness_local_pruners is written with an argument 'plugins'; it takes no arguments",
    ),
    "event with another argument": (
        f"{FINE}\n@hp.hookimpl\ndef harness_stage_started(stage): pass\n",
        "hook harness_stage_started is written with an argument 'stage'; it may take info",
    ),
    "class instead of a list": (
        edited("return [Snr]", "return Snr"),
        "harness_local_pruners returned the class Snr, not a list; say return [Snr]",
    ),
    "nothing instead of a list": (
        edited("return [Snr]", "[Snr]"),
        "harness_local_pruners returned None, not a list; is its `return` missing?",
    ),
    "class without a name": (
        edited('name, statistics = "snr",', "statistics ="),
        "harness_local_pruners: the class Snr has no `name`; write one: name = 'snr'",
    ),
    "name of another type": (
        edited('"snr", frozenset()', "3, frozenset()"),
        "harness_local_pruners: the `name` of Snr is 3; a text is needed",
    ),
    "name that cannot be asked for": (
        edited('"snr", frozenset()', '"my snr", frozenset()'),
        "harness_local_pruners: Snr is named 'my snr', which cannot be asked for",
    ),
    "name twice": (
        edited("return [Snr]", "return [Snr, Snr]"),
        "harness_local_pruners gives 'snr' twice; names tell its classes apart",
    ),
    "instance instead of a class": (
        edited("return [Snr]", "return [Snr()]"),
        "harness_local_pruners gives a Snr; give the class: [Snr]",
    ),
    "error in the hook": (
        edited("return [Snr]", "return [Snr][1]"),
        "IndexError: list index out of range (harness_snr.py:13 of harness-snr 0.1)",
    ),
    "exit at import": (
        f"import sys\nsys.exit('sorry')\n{FINE}",
        "SystemExit: sorry (harness_snr.py:2 of harness-snr 0.1)",
    ),
    "error of no usual kind": (
        f"class Odd(BaseException): pass\nraise Odd('odd')\n{FINE}",
        "Odd: odd (harness_snr.py:2 of harness-snr 0.1)",
    ),
    "no hooks at all": (
        "import harness.plugin as hp\n",
        "it gives nothing: no function in it is a hook, marked by @harness.plugin.hookimpl",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line_where_the_name_is_missed(
    mistake: str, site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, reason = MISTAKES[mistake]
    install(site, {"harness_snr.py": source})

    assert run_command(["run", "--pruner", "snr", "--tasks", "vqav2@4"]) == 2

    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("error: unknown pruner 'snr'; did you mean")
    assert f"plugin snr of harness-snr 0.1 was set aside: {reason}" in line
    assert line.endswith("; `harness doctor --traceback` shows more")


@pytest.mark.parametrize(
    ("entry_point", "reason"),
    [
        ("harness_snr:Plugin", "its entry point is harness_snr:Plugin, and harness_snr has no"),
        ("harness_snrs", "its entry point is harness_snrs, and there is no module harness_snrs"),
    ],
)
def test_an_entry_point_that_leads_nowhere_says_so(
    entry_point: str, reason: str, site: Path
) -> None:
    install(site, {"harness_snr.py": FINE}, entry_point)

    [broken] = load_plugins().broken

    assert broken.reason.startswith(reason)


def test_the_plugin_without_a_mistake_is_not_set_aside(site: Path) -> None:
    install(site, {"harness_snr.py": FINE})

    found = load_plugins()

    assert not found.broken
    assert found.recipes.get("snr").origin.distribution == "harness-snr"


def test_whatever_kind_of_name_is_missed_the_plugin_is_named(site: Path) -> None:
    install(site, {"harness_snr.py": "import no_such_library"})
    found = load_plugins()

    for registry in found.registries():
        with pytest.raises(UnknownNameError, match="plugin snr of harness-snr 0.1 was set aside"):
            registry.get("nobody")


def test_the_place_is_the_innermost_line_of_the_plugins_own(site: Path) -> None:
    """Of a folder of modules it is the one that called into a library."""
    install(
        site,
        {
            "harness_snr/__init__.py": f"from harness_snr.inner import count\ncount()\n{FINE}",
            "harness_snr/inner.py": "import json\n\ndef count():\n    json.loads('{')\n",
        },
    )

    [broken] = load_plugins().broken

    assert "(harness_snr/inner.py:4 of harness-snr 0.1)" in broken.reason
    assert "json/decoder.py" in broken.traceback


def test_the_list_of_plugins_shows_the_traceback_on_request(
    site: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, {"harness_snr.py": "import no_such_library"})

    assert run_command(["plugins"]) == 1
    assert "Traceback" not in capfd.readouterr().err
    assert run_command(["plugins", "--traceback"]) == 1
    assert "Traceback" in capfd.readouterr().err
    monkeypatch.setenv("HARNESS_TRACEBACK", "1")
    assert run_command(["plugins", "--json"]) == 1
    assert "Traceback" in capfd.readouterr().err


def test_two_plugins_of_one_distribution_cannot_give_one_name(site: Path) -> None:
    install(site, {"harness_snr.py": FINE, "harness_snr_too.py": FINE})
    entry_points = site / "harness_snr-0.1.dist-info" / "entry_points.txt"
    entry_points.write_text("[harness]\nsnr = harness_snr\ntoo = harness_snr_too\n")

    assert run_command(["run", "--pruner", "snr", "--tasks", "vqav2@4"]) == 2
    assert load_plugins().recipes.told_twice("snr").endswith("rename one of them")
