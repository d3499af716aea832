"""What a model says is picked token by token; every pick has to be one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from harness.plugin import Sample, check_finite


@contextmanager
def finite_steps(samples: Sequence[Sample]) -> Iterator[dict[str, Any]]:
    """Refuse texts that were picked by logits which are no numbers, at whatever step.

    The best of each row and step stays on the device; all of them are looked at once, in the end.

    Yields:
        Arguments of ``generate``, which makes equally many rows per sample, next to each other. Put
        processors that change logits behind this one.

    Raises:
        RunError: The logits of a sample are not finite.
    """
    best: list[Tensor] = []

    def remembered(_ids: Tensor, scores: Tensor) -> Tensor:
        best.append(scores.amax(dim=1))
        return scores

    yield {"logits_processor": [remembered]}
    check_finite(torch.stack(best, dim=1).reshape(len(samples), -1), samples)
