"""DSnoT as released with its command line's defaults: all quirks at once.

zyxxmu/DSnoT, lib/prune.py. Wanda's mask, from which it starts, takes int(columns s) of every row.
"""

from dataclasses import dataclass
from typing import ClassVar

from harness.plugin import LocalPruner, Recipe, hookimpl
from harness_plugins.methods.official.dsnot_lists import DSnoTListsOfficial
from harness_plugins.methods.official.dsnot_skip import Skips
from harness_plugins.methods.official.dsnot_variance import VarianceWithin


@dataclass(frozen=True)
class DSnoTOfficial(VarianceWithin, Skips, DSnoTListsOfficial):
    """Lists made once, MLPs skipped, variance within samples."""

    name: ClassVar[str] = "dsnot-official"


DSNOT_OFFICIAL = Recipe(
    name="dsnot-official",
    paper="DSnoT as released in zyxxmu/DSnoT (lib/prune.py), on Wanda's mask.",
    budget="uniform-rows-official",
    local=("wanda", "dsnot-official"),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [DSnoTOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [DSNOT_OFFICIAL]
