"""One call for all blocks: T5 loses its position bias after the first block of a tower.

The released calibration records what block 0 is called with and calls every later block so. T5's
block 0 is given no position bias, makes one and hands it on; a later block that is given none has
none to make, and attends without. ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/, Wanda and
SparseGPT alike; towers whose blocks share all arguments, like vision's, are unaffected.
"""

from typing import ClassVar

from harness.plugin import LocalPruner, hookimpl
from harness_plugins.methods.wanda import Wanda


class ReplaysFirstCall:
    """Makes a pruner's statistics come from blocks called like the first one of their tower."""

    replays_first_call: ClassVar[bool] = True


class WandaBiasOfficial(ReplaysFirstCall, Wanda):
    """Wanda with this quirk alone."""

    name: ClassVar[str] = "wanda-bias-official"


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [WandaBiasOfficial]
