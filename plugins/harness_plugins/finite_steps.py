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

    Yields:
        Arguments of ``generate``, which makes equally many rows per sample, next to each other. Put
        processors that change logits behind this one.

    Raises:
        RunError: The logits of a sample are not finite.
    """
    steps = _Steps()
    yield {"logits_processor": [steps]}
    check_finite(torch.stack(steps.best, dim=1).reshape(len(samples), -1), samples)


class _Steps:
    """Keeps the best of each row and step on the device, to be looked at once, in the end.

    transformers asks for the signature of every processor at every step: a tenth of a millisecond
    where that is a function, not an object.
    """

    def __init__(self) -> None:
        self.best: list[Tensor] = []

    def __call__(self, _ids: Tensor, scores: Tensor) -> Tensor:
        self.best.append(scores.amax(dim=1))
        return scores
