"""Padding counted: the hooks of the released code add up whatever passes a layer.

ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/wanda_pruner.py and sparsegpt_pruner.py; the same
hooks in locuslab/wanda and IST-DASLab/sparsegpt see packed text, which has no padding.
"""

from typing import ClassVar

from harness.plugin import LocalPruner, hookimpl
from harness_plugins.methods.wanda import Wanda


class CountsPadding:
    """Makes a pruner's statistics run over padded tokens as well."""

    counts_padding: ClassVar[bool] = True


class WandaPaddingOfficial(CountsPadding, Wanda):
    """Wanda with this quirk alone."""

    name: ClassVar[str] = "wanda-padding-official"


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [WandaPaddingOfficial]
