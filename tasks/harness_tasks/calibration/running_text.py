"""Windows of one long text, as the pruning papers take them from WikiText-2.

With ``stride=1`` a window may begin at any token, and with ``rows=blank`` WikiText's lines are
joined by blanks, as in Wanda's and SparseGPT's loaders (locuslab/wanda, lib/data.py,
get_wikitext2); without these the text is read as it stands and windows do not overlap.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from harness.plugin import DataError, Encode, InputError, Sample, SamplePool
from harness_tasks.annotation_files import read_text
from harness_tasks.calibration.source_files import source_path
from harness_tasks.text_rows import Rows, joined


@dataclass(frozen=True)
class Text:
    """Windows of a text file."""

    name: ClassVar[str] = "text"

    window: Annotated[int, Field(gt=1)] | None = None
    """Tokens per window; unless said 2048, or all that the model reads if that is less."""
    stride: Annotated[int, Field(gt=0)] | None = None
    """Tokens from one window's begin to the next one's; the window's length unless said."""
    rows: Rows = "as-is"
    """How the lines are joined: ``blank-line`` and ``blank`` as WikiText's are in the papers."""
    special: bool = True
    """Whether the tokenizer adds to the text what it adds by default, e.g. BOS."""

    def samples(self, path: Path | None, cache: Path, encode: Encode | None) -> SamplePool:
        file = source_path(path, self.name, "FILE")
        if not file.is_file():
            raise DataError(file, "no such text file; say --calibration text=FILE")
        if encode is None:
            raise InputError("calibration source text needs a model with a tokenizer")
        window = encode.window(self.window)
        tokens = tuple(encode(joined(read_text(file), self.rows), special=self.special))
        starts = range(0, len(tokens) - window + 1, self.stride or window)

        def make(position: int) -> Sample:
            start = starts[position]
            return Sample(id=f"{start}", tokens=tokens[start : start + window])

        return SamplePool(len(starts), lambda i: f"{starts[i]}", make)
