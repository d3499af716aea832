"""Windows of one long text, as the pruning papers take them from WikiText-2.

With ``stride=1`` a window may begin at any token, as in Wanda's and SparseGPT's loaders
(locuslab/wanda, lib/data.py, get_wikitext2); without it windows do not overlap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from harness.plugin import DataError, InputError, Sample, SamplePool
from harness_tasks.calibration.source_files import source_path


@dataclass(frozen=True)
class Text:
    """Windows of a text file."""

    name: ClassVar[str] = "text"

    window: Annotated[int, Field(gt=1)] = 2048
    """Tokens per window."""
    stride: Annotated[int, Field(gt=0)] | None = None
    """Tokens from one window's begin to the next one's; the window's length unless said."""

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> SamplePool:
        file = source_path(path, self.name, "FILE")
        if not file.is_file():
            raise DataError(file, "no such text file; say --calibration text=FILE")
        if encode is None:
            raise InputError("calibration source text needs a model with a tokenizer")
        tokens = tuple(encode(file.read_text(encoding="utf-8")))
        starts = range(0, len(tokens) - self.window + 1, self.stride or self.window)

        def make(position: int) -> Sample:
            start = starts[position]
            return Sample(id=f"{start}", tokens=tokens[start : start + self.window])

        return SamplePool(len(starts), lambda i: f"{starts[i]}", make)
