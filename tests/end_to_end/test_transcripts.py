"""Transcripts of what people see: at 80 and 140 columns, piped, as JSON, plain, not in UTF-8."""

import json
import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.transcripts import record

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = ROOT / "tests" / "data" / "transcripts"
#: What draws them; other versions draw other widths, and are held to the rest of the test.
DRAWN_BY = ("rich", "typer")
#: Name -> environment, width of the terminal (None = pipes).
WAYS: dict[str, tuple[dict[str, str], int | None]] = {
    "terminal-80": ({}, 80),
    "terminal-140": ({}, 140),
    "no-color-80": ({"NO_COLOR": "1"}, 80),
    "ascii-80": ({"PYTHONIOENCODING": "ascii"}, 80),
    "latin-1-80": ({"PYTHONIOENCODING": "latin-1"}, 80),
    "piped": ({}, None),
    "json": ({"HARNESS_SHOW_JSON": "1"}, None),
}
#: What a terminal is told to do in our own name: styles and nothing else.
STYLE = re.compile("\x1b\\[[0-9;]*m")


@pytest.mark.parametrize("way", WAYS)
def test_transcript(way: str, tmp_path: Path) -> None:
    out, err = record(tmp_path, *WAYS[way])

    shown = out if err is None else f"{out}---- stderr\n{err}"
    plain = STYLE.sub("", shown)
    assert all(char.isprintable() or char == "\n" for char in plain)
    if err is not None or way == "no-color-80":
        assert not re.search("\x1b\\[[0-9;]*[34][0-7]", shown)
    if err is not None:
        assert shown == plain
    if way == "json":
        assert {row["pruner"] for row in json.loads(out)[0]["rows"]} >= {"dense", "wanda"}
    width = WAYS[way][1] or 80
    tables = [line for line in plain.splitlines() if line[:1] in "┏┃┡│├└+|"]
    assert way == "json" or tables
    assert all(len(line) <= width for line in tables)
    path, drawn = TRANSCRIPTS / f"{way}.txt", TRANSCRIPTS / "versions.json"
    installed = {name: version(name) for name in DRAWN_BY}
    if os.environ.get("HARNESS_TRANSCRIPTS") == "make":
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown.replace("\x1b", "␛"))
        drawn.write_text(f"{json.dumps(installed)}\n")
    if installed == json.loads(drawn.read_text()):
        assert shown.replace("\x1b", "␛") == path.read_text()


def test_what_is_locked_has_drawn_the_transcripts() -> None:
    """Where the lock moves on, the transcripts are made anew, and read."""
    lock = (ROOT / "constraints" / "lock.txt").read_text().splitlines()
    drawn = json.loads((TRANSCRIPTS / "versions.json").read_text())

    assert all(f"{name}=={drawn[name]}" in lock for name in DRAWN_BY)
