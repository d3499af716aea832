"""What turns text into the tokens that a model reads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import InputError
from harness.plugin.capabilities import Perplexity

#: Tokens per window in the pruning papers.
USUAL_WINDOW = 2048


@dataclass(frozen=True, slots=True)
class Encode:
    """A model's tokenizer, as tasks and calibration sources get it: call it for token ids."""

    tokenizer: Callable[..., list[int]]
    """`harness.plugin.Perplexity.encode` of the model."""
    context: int = sys.maxsize
    """Most tokens that the model reads at once."""

    def __call__(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of a text.

        Args:
            special: With the tokens that the tokenizer adds by itself (BOS, EOS), if it adds any.
        """
        return self.tokenizer(text, special=True) if special else self.tokenizer(text)

    def window(self, asked: int | None) -> int:
        """Tokens per window: as asked, else the papers' 2048 or all that the model reads.

        Raises:
            InputError: The model does not read so many.
        """
        if asked is not None and asked > self.context:
            raise InputError(
                f"window {asked} is longer than the {self.context} tokens that the model reads"
            )
        return asked or min(USUAL_WINDOW, self.context)


def encode_of(model: object) -> Encode | None:
    """The tokenizer of a model that has one for running text."""
    return Encode(model.encode, model.context) if isinstance(model, Perplexity) else None
