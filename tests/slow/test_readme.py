"""The README's first command ends with the README's board, within what the README says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
#: Task -> places behind the point that the README prints, in the order of its columns.
PLACES = {"nocaps": 3, "vqav2": 1}


def first_command() -> list[str]:
    """Its words from ``harness`` on."""
    _, marked, rest = README.partition(".venv/bin/harness ")
    assert marked
    return shlex.split(rest.partition("\n")[0])


def printed_rows() -> dict[str, list[float]]:
    """Row -> scores of the board that the README shows."""
    rows = re.findall(r"^\| (\w+) \| [\d. ]*\| ([\d.]+)[^|]*\| ([\d.]+)", README, re.MULTILINE)
    return {name: list(map(float, scores)) for name, *scores in rows}


def tolerances() -> list[float]:
    """How far what is pruned may be from the README, in CIDEr-D and in points."""
    said = re.search(r"within ([\d.]+) CIDEr-D and ([\d.]+) points", README)
    assert said is not None
    return list(map(float, said.groups()))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_command_ends_with_the_readmes_board(threads: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "harness", *first_command(), "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    (board,) = json.loads(done.stdout)["boards"]
    found = {
        row["pruner"]: [
            round(score["score"], places)
            for task, places in PLACES.items()
            for score in row["scores"]
            if score["task"] == task
        ]
        for row in board["rows"]
    }
    printed = printed_rows()
    assert set(found) == {"dense", "blind", "ecoflap"}
    assert {name: found[name] for name in ("dense", "blind")} == {
        name: printed[name] for name in ("dense", "blind")
    }
    for score, shown, tolerance in zip(
        found["ecoflap"], printed["ecoflap"], tolerances(), strict=True
    ):
        assert score == pytest.approx(shown, abs=tolerance + 1e-9)
