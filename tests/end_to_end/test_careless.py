"""A stranger's parts that break their contracts, installed: one line each, and nothing filed."""

import re
from pathlib import Path

import pytest

from harness.store import Store
from tests.end_to_end.conftest import Run

#: Pruner -> what is said of it behind its title and the layer.
SAID = {
    "forgets-the-pattern": r"[\d,]+ of [\d,]+ groups of 4 consecutive inputs keep more than 2 "
    r"weights; 2:4 is asked for",
    "changes-weights": r"gives new weights and does not say so; write changes_weights = True on "
    r"its class, or return none",
    "writes-in-place": r"changed job\.weight in place; work on a copy and return it in a "
    r"LayerResult",
    "returns-numpy": r"keep is a numpy\.ndarray; a torch\.bool tensor \(\d+, \d+\) is right",
    "gives-nan": r"\d+ of the weights that stay are NaN or infinite",
    "raises": r"raised ValueError: no such thing "
    r"\(harness_careless\.py:\d+ of harness-careless 0\.1\)",
}


def test_what_a_part_does_is_held_to_what_it_says(
    harness: Run, careless: Path, tmp_path: Path
) -> None:
    pruners = ",".join(f"local={name}" for name in SAID)

    done = harness(
        *("run", "--pruner", pruners, "--pattern", "2:4", "--model", "mini-lm"),
        *("--tasks", "wikitext/w64@10"),
        PYTHONPATH=str(careless),
    )

    assert done.returncode == 1
    lines = re.findall(r"^failed: (.*)$", done.stderr, re.MULTILINE)
    for (name, said), line in zip(SAID.items(), lines, strict=True):
        title = rf"PartError: local pruner {name} of harness-careless 0\.1 on \S+"
        assert re.fullmatch(rf"local={name} 2:4 0\.5: {title}: {said}", line), line
    assert not list(Store(tmp_path / "results").prunes())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "misspells",
            "`changes_weight` is no tag of a local pruner; did you mean changes_weights?",
        ),
        ("asks-for-more", "unknown statistic 'input_squared'; did you mean input_sq"),
    ],
)
def test_a_misspelt_tag_is_refused_before_anything_is_loaded(
    name: str, said: str, harness: Run, careless: Path
) -> None:
    done = harness(
        "run", "--pruner", f"local={name}", "--tasks", "vqav2@10", PYTHONPATH=str(careless)
    )

    assert done.returncode == 1
    title = f"local pruner {name} of harness-careless 0.1"
    assert done.stderr.splitlines()[-1].startswith(f"error: {title}: {said}")
    assert "load:" not in done.stderr
