"""A share of the fuzzing that fits the default suite, and that its judge sees what it should."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from harness.errors import InputError
from harness.plugin.manager import Plugins
from tests.fuzz import words
from tests.fuzz.__main__ import table
from tests.fuzz.judging import Area, Attempt, Said, Tally, try_one

INPUTS = 60


def raising(error: Exception) -> Callable[[Random], Attempt]:
    def give() -> str:
        raise error

    return lambda _: ("input", give)


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        (raising(InputError("no such folder")), "refused"),
        (raising(FileNotFoundError(2, "No such file or directory", "x")), "refused"),
        (raising(KeyError("hidden_size")), "tracebacks"),
        (raising(Said(70, "error: KeyError: this is a defect")), "tracebacks"),
        (raising(Said(1, "Traceback (most recent call last):")), "tracebacks"),
        (raising(Said(2, "error: a\nerror: b")), "refused"),
        (raising(Said(2, "nothing that begins as an error")), "over-long"),
        (raising(Said(2, "error: " + "a" * 400)), "over-long"),
        (lambda _: ("input", lambda: ""), "accepted"),
        (lambda _: ("input", lambda: "two items have one id"), "inconsistent"),
    ],
)
def test_the_judge_knows_a_fault(attempt: Callable[[Random], Attempt], kind: str) -> None:
    tally = Tally()

    try_one(Area("area", attempt, 1), 0, 0, tally)

    assert tally.counts == {"tried": 1, kind: 1}
    assert bool(tally.faults) is (kind not in ("refused", "accepted"))
    assert "| area | 1 |" in table({"area": tally})


@pytest.mark.parametrize("name", ["command line", "notations", "config files"])
def test_no_words_break_the_harness(name: str, tmp_path: Path, plugins: Plugins) -> None:
    [area] = [area for area in words.areas(tmp_path, plugins) if area.name == name]
    tally = Tally()

    with words.planning_only(tmp_path, plugins):
        for number in range(INPUTS):
            try_one(area, 0, number, tally)

    assert tally.faults == []
    assert tally.counts["refused"] + tally.counts["accepted"] == INPUTS
    assert tally.counts["accepted"] > 0
