"""``python -m tests.fuzz [--count 20000] [--seed 0] [--area NAME] [--only NUMBER]``."""

import argparse
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch

from harness.cli.quiet import quiet_libraries
from harness.plugin.manager import Plugins, load_plugins
from tests.fuzz import datasets, folders, records, words
from tests.fuzz.judging import KINDS, Area, Tally, try_one

MEMORY = 24 << 30
"""Bytes of address space: what asks for more is told so, and does not take the machine down."""


def all_areas(root: Path, plugins: Plugins) -> list[Area]:
    return [
        *words.areas(root, plugins),
        *datasets.areas(root / "tasks", plugins),
        *folders.areas(root / "models", plugins),
        *records.areas(root / "filed", plugins),
    ]


def throw(count: int, seed: int, root: Path, chosen: str = "") -> dict[str, Tally]:
    """Give that many inputs, shared among the areas by their weights."""
    plugins = load_plugins()
    areas = all_areas(root, plugins)
    whole = sum(area.weight for area in areas)
    tallies = {}
    with (
        words.planning_only(root, plugins),
        quiet_libraries(shown=False),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for area in areas:
            if chosen in ("", area.name):
                tallies[area.name] = tally = Tally()
                began = time.monotonic()
                for number in range(-(-count * area.weight // whole)):
                    try_one(area, seed, number, tally)
                sys.stderr.write(f"{area.name}: {time.monotonic() - began:.0f} s\n")
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    """Markdown, an area a row and all of them below."""
    rows = [[name, *map(str, tally.cells)] for name, tally in tallies.items()]
    sums = [sum(column) for column in zip(*(t.cells for t in tallies.values()), strict=True)]
    cells = [["area", *KINDS], ["---", *["---:"] * len(KINDS)], *rows, ["all", *map(str, sums)]]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def main() -> None:
    asked = argparse.ArgumentParser(prog="tests.fuzz")
    asked.add_argument("--count", type=int, default=20_000)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--area", default="")
    asked.add_argument("--only", type=int)
    options = asked.parse_args()
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        if options.only is not None:
            plugins = load_plugins()
            [area] = [a for a in all_areas(root, plugins) if a.name == options.area]
            tallies = {area.name: Tally()}
            with words.planning_only(root, plugins):
                try_one(area, options.seed, options.only, tallies[area.name])
        else:
            tallies = throw(options.count, options.seed, root, options.area)
    faults = [fault for tally in tallies.values() for fault in tally.faults]
    for fault in faults:
        sys.stderr.write(f"{fault}\n\n")
    spent = f"seed {options.seed}, {time.monotonic() - began:.0f} s"
    sys.stdout.write(f"{table(tallies)}\n{spent}\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
