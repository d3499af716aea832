"""Token perplexity of running text, as the pruning papers report it.

The text is cut into windows of n tokens without overlap (a shorter rest is left out), each window
starts afresh, and the perplexity is exp of the mean loss per predicted token. Another window
length is another number: it names the profile, ``w2048`` unless said otherwise.

What the papers read is the rows of a copy on the hub, joined, with the tokens that the tokenizer
adds by itself: WikiText-2 by blank lines (locuslab/wanda, lib/data.py, get_wikitext2, and
lib/eval.py), Penn Treebank by blanks (IST-DASLab/sparsegpt, datautils.py, get_ptb). ``raw-w2048``
and its like read the file as it stands, without such tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import (
    Asker,
    DataError,
    Encode,
    Example,
    InputError,
    Manifest,
    Metric,
    Profile,
    Sample,
    Scores,
    Task,
    hookimpl,
)
from harness_tasks.annotation_files import read_text
from harness_tasks.manifests import manifest_of
from harness_tasks.text_rows import Rows, joined

#: The usual one goes first.
WINDOWS = (2048, 4096, 1024, 512, 256, 128, 64)
#: Before the name of a profile that reads the file as it stands.
RAW = "raw-"


def _profile(prefix: str, window: int, version: int) -> Profile:
    name = f"{prefix}w{window}"
    return Profile(name=name, version=version, needs=("perplexity",), window=window)


class Perplexity:
    """What the text tasks share."""

    name: ClassVar[str]
    manifest: ClassVar[Manifest]
    rows: ClassVar[Rows]
    """How the papers join the lines."""
    profiles: ClassVar[tuple[Profile, ...]] = (
        *(_profile("", window, version=2) for window in WINDOWS),
        *(_profile(RAW, window, version=1) for window in WINDOWS),
    )
    metric: ClassVar[Metric] = Metric(name="perplexity", higher_is_better=False, transform="exp")

    def examples(self, folder: Path, profile: Profile, encode: Encode | None) -> Sequence[Example]:
        if encode is None:
            raise InputError(f"{self.name} needs a model with a tokenizer")
        assert profile.window is not None
        path = folder / self.manifest.layout_in(folder).files[0].path
        is_raw = profile.name.startswith(RAW)
        text = joined(read_text(path), "as-is" if is_raw else self.rows)
        tokens = encode(text, special=not is_raw)
        count = len(tokens) // profile.window
        if not count:
            raise DataError(path, f"{len(tokens)} tokens, not one window of {profile.window}")
        return [
            Example(
                sample=Sample(id=f"{start}", tokens=tuple(tokens[start : start + profile.window])),
                cluster=f"{start}",
            )
            for start in range(0, count * profile.window, profile.window)
        ]

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        return asker.token_losses([example.sample for example in examples])

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        return Scores(per_sample=[float(loss) for loss in outputs])


class WikiText(Perplexity):
    """The WikiText-2 test text (Merity et al., 2016, arXiv:1609.07843)."""

    name: ClassVar[str] = "wikitext"
    manifest: ClassVar[Manifest] = manifest_of("wikitext")
    rows: ClassVar[Rows] = "blank-line"


class PennTreebank(Perplexity):
    """The Penn Treebank test text in Mikolov's preparation."""

    name: ClassVar[str] = "ptb"
    manifest: ClassVar[Manifest] = manifest_of("ptb")
    rows: ClassVar[Rows] = "sentences"


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [WikiText, PennTreebank]
