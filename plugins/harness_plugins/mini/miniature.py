"""What the training script asks of a miniature model."""

import random
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How long and how fast a model learns: warm-up, constant rate, linear decay."""

    steps: int
    learning_rate: float
    warmup: int = 200
    decay: float = 0.5
    """Share of the steps over which the rate falls."""
    every: int = 250
    """Steps between two rows of the curve."""

    def rate(self, step: int, steps: int) -> float:
        decayed = (steps - step) / (self.decay * steps)
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, max(0.01, decayed))


class Miniature(Protocol):
    """A model in training, with the data that it learns from."""

    recipe: ClassVar[Recipe]

    @property
    def model(self) -> Any:
        """The transformers model, trained in place."""

    @property
    def companions(self) -> list[Any]:
        """What is saved beside it: tokenizer, image processor."""

    def loss(self, step: int, draw: random.Random) -> Tensor:
        """Draw the data of one step and return its loss, ()."""

    def measure(self) -> dict[str, float]:
        """Columns of the curve, on data that training leaves out."""
