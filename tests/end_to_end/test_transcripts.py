"""Transcripts of what people see: at 80 and 140 columns, piped, as JSON, plain, not in UTF-8."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.transcripts import record

TRANSCRIPTS = Path(__file__).parent.parent / "data" / "transcripts"
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
    path = TRANSCRIPTS / f"{way}.txt"
    if os.environ.get("HARNESS_TRANSCRIPTS") == "make":
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown.replace("\x1b", "␛"))
    assert shown.replace("\x1b", "␛") == path.read_text()
