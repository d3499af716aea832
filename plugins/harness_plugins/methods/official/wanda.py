"""Wanda as released with ECoFLaP: its comparison groups, padding counted, one call for all blocks.

ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/wanda_pruner.py.
"""

from typing import ClassVar

from harness.plugin import LocalPruner, Recipe, hookimpl
from harness_plugins.methods.official.first_call import ReplaysFirstCall
from harness_plugins.methods.official.matrix_group import MatrixGroup
from harness_plugins.methods.official.padding import CountsPadding


class WandaOfficial(CountsPadding, ReplaysFirstCall, MatrixGroup):
    """All quirks of the released Wanda together."""

    name: ClassVar[str] = "wanda-official"


WANDA_OFFICIAL = Recipe(
    name="wanda-official",
    paper="Wanda as released in ylsung/ECoFLaP (wanda_pruner.py), uniform.",
    local=("wanda-official",),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [WandaOfficial]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [WANDA_OFFICIAL]
