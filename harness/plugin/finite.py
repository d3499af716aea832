"""A model whose logits are no numbers has no answer, however plausible the one picked from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

    from harness.plugin.samples import Sample


def check_finite(best: Tensor, samples: Sequence[Sample]) -> None:
    """Refuse the logits, or what was made of them, that answers would be picked by.

    Give the extreme ones, ``logits.amax(dim=1)``: a NaN anywhere comes through, and so does +inf,
    while -inf beside a finite logit only rules out a choice.

    Args:
        best: (samples,) or (samples, picks).

    Raises:
        RunError: One is NaN or infinite; the first such sample is named.
    """
    bad = (~best.isfinite()).nonzero()
    if len(bad):
        first = bad[0]
        raise RunError(
            f"logits of item {samples[int(first[0])].id!r} are not finite "
            f"({float(best[tuple(first)])}); no answer can be picked by them"
        )
