"""Where the text of the miniature world lies, and windows of it for calibration and training."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from harness.plugin import Encode, InputError, Sample
from harness_tasks.editions.mini.cache import VERSION, made_once

TASKS = ("wikitext", "ptb", "lm_eval")
#: Reports of the train stream; seconds to make.
TRAIN_REPORTS = 5000

Window = Annotated[int, Field(gt=1)]


@dataclass(frozen=True)
class MiniText:
    """Windows of reports of all kinds, on scenes of their own: what C4 is to larger models."""

    name: ClassVar[str] = "mini-text"

    window: Window = 256
    """Tokens per window."""

    def samples(self, path: Path | None, cache: Path, encode: Encode | None) -> Sequence[Sample]:
        from harness_tasks.editions.mini.text.folders import CALIBRATION_FILE

        text = text_root(cache) / "calibration" / CALIBRATION_FILE
        return _windows(self.name, text, self.window, encode)


@dataclass(frozen=True)
class MiniTextTrain:
    """Windows of the first reports of the split that the bundled language model learnt from."""

    name: ClassVar[str] = "mini-text-train"

    window: Window = 256
    """Tokens per window."""

    def samples(self, path: Path | None, cache: Path, encode: Encode | None) -> Sequence[Sample]:
        from harness_tasks.editions.mini.text.folders import TRAIN_FILE

        text = text_train_root(cache) / "train" / TRAIN_FILE
        return _windows(self.name, text, self.window, encode)


def _windows(source: str, path: Path, window: int, encode: Encode | None) -> list[Sample]:
    if encode is None:
        raise InputError(f"source {source} needs a model with a tokenizer")
    encode.window(window)
    tokens = encode(path.read_text(encoding="utf-8"))
    return [
        Sample(id=f"{start}", tokens=tuple(tokens[start : start + window]))
        for start in range(0, len(tokens) - window + 1, window)
    ]


def text_root(cache: Path) -> Path:
    """The folder of all text tasks."""
    from harness_tasks.editions.mini.text.folders import write_text_evaluation

    name = f"mini-text-{VERSION}"
    return made_once(cache, name, partial(write_text_evaluation, home=cache / name))


def text_train_root(cache: Path) -> Path:
    """The folder that holds ``train/reports.txt``."""
    from harness_tasks.editions.mini.text.folders import write_text_training

    write = partial(write_text_training, count=TRAIN_REPORTS)
    return made_once(cache, f"mini-text-{VERSION}-train", write)
