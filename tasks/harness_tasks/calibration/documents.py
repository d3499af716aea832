"""Documents in JSON lines, as C4 is shipped (``c4-train.00000-of-01024.json.gz``).

A document that is longer than the window gives one window at a random place, a shorter one gives
none: Wanda's and SparseGPT's rule (locuslab/wanda, lib/data.py, get_c4), but that no document is
drawn twice. Only where each line begins is read in advance, so that a draw from a shard costs what
tokenising the drawn documents costs.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar

from pydantic import Field

from harness.plugin import Encode, InputError, Row, Sample, SamplePool
from harness_tasks.calibration.captioned import cut
from harness_tasks.calibration.source_files import source_files, source_path, unpacked
from harness_tasks.json_text import parse_json

SUFFIXES = (".json.gz", ".jsonl.gz", ".json", ".jsonl")
MakeSample = Callable[[str, str, Random], Sample | None]
"""From a document's id, its text and the random numbers that only this text has."""


@dataclass(frozen=True)
class Documents:
    """One window of every document that is long enough; with ``prefix_lm``, its cut beginning."""

    name: ClassVar[str] = "documents"

    window: Annotated[int, Field(gt=1)] | None = None
    """Tokens per window; unless said 2048, or all that the model reads if that is less."""
    special: bool = True
    """Whether the tokenizer adds to each document what it adds by default, e.g. BOS."""
    prefix_lm: bool = False
    """The first 50 words cut in prompt and target, for encoder-decoders; no window then."""
    files: str = "*"
    """Which files of the folder, e.g. ``c4-train.00000*``."""
    seed: int = 0
    """Of windows and cuts; which documents are drawn is the run's seed."""

    def samples(self, path: Path | None, cache: Path, encode: Encode | None) -> SamplePool:
        found = source_files(source_path(path, self.name), self.files, SUFFIXES)
        sample = self._cut if self.prefix_lm else self._windows(encode)
        pools = [self._pool(i, Lines.of(file, cache), sample) for i, file in enumerate(found)]
        return SamplePool.join(pools)

    def _pool(self, number: int, lines: "Lines", sample: MakeSample) -> SamplePool:
        """The documents of one file, whose name says nothing of them."""

        def name(line: int) -> str:
            return f"{number}:{line + 1}"

        def make(line: int) -> Sample | None:
            text = lines.text(line)
            return sample(name(line), text, Random(f"document {self.seed} {text!a}"))

        return SamplePool(len(lines.starts), name, make)

    def _windows(self, encode: Encode | None) -> MakeSample:
        if encode is None:
            raise InputError(
                f"calibration source {self.name} needs a model with a tokenizer, or prefix_lm=true"
            )
        size = encode.window(self.window)

        def window(document: str, text: str, draw: Random) -> Sample | None:
            tokens = encode(text, special=self.special)
            if len(tokens) <= size:
                return None
            start = draw.randint(0, len(tokens) - size - 1)
            return Sample(id=f"{document}+{start}", tokens=tuple(tokens[start : start + size]))

        return window

    def _cut(self, document: str, text: str, draw: Random) -> Sample | None:
        halves = cut(text, draw)
        return Sample(id=document, prompt=halves[0], target=halves[1]) if halves else None


@dataclass(frozen=True)
class Lines:
    """A file of JSON lines, read one line at a time."""

    path: Path
    """The file that was given, which errors name."""
    plain: Path
    starts: Sequence[int]
    """Bytes before each line."""

    @classmethod
    def of(cls, path: Path, cache: Path) -> "Lines":
        plain = unpacked(path, cache) if path.suffix == ".gz" else path
        starts = array("Q")
        position = 0
        with plain.open("rb") as file:
            for line in file:
                starts.append(position)
                position += len(line)
        return cls(path, plain, starts)

    def text(self, line: int) -> str:
        """The field ``text`` of a line.

        Raises:
            DataError: The line is no JSON object with a text.
        """
        with self.plain.open("rb") as file:
            file.seek(self.starts[line])
            content = file.readline()
        place = f"line {line + 1}"
        return Row(parse_json(content, self.path, place), self.path, place).get("text", str)
