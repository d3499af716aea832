"""How an image and its caption become a sample.

With ``prefix_lm`` as ECoFLaP feeds captions and C4 to T5 (lavis/datasets/datasets/
prefix_language_pretraining.py and c4_dataset.py): the text is cleaned as LAVIS cleans captions and
cut at a character in its first half; what stands before is read, what follows is to be said.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness.plugin import InputError, Sample
from harness_tasks.calibration.views import Viewed

_SPACED = re.compile(r'[.!"()*#:;~]')
_MOST_WORDS = 50


@dataclass(frozen=True)
class Captioned(Viewed):
    """Options of sources with captions."""

    prompt: str = ""
    prefix_lm: bool = False
    """The caption's beginning is the prompt, its rest the target."""

    def __post_init__(self) -> None:
        if self.prompt and self.prefix_lm:
            raise InputError(f"prefix_lm=true makes the prompt; leave out prompt={self.prompt!r}")

    def sample(self, sample_id: str, image: Path, caption: str) -> Sample:
        """The image with its caption, cut if asked.

        Raises:
            InputError: The caption is too short to be cut.
        """
        prompt, target = self.prompt, caption
        if self.prefix_lm:
            halves = cut(caption, Random(f"cut {self.seed} {caption!a}"))
            if halves is None:
                raise InputError(f"caption {caption!r} of {sample_id} is too short to be cut")
            prompt, target = halves
        view = self.view(image)
        return Sample(id=sample_id, image=image, view=view, prompt=prompt, target=target)


def cut(text: str, draw: Random) -> tuple[str, str] | None:
    """The cleaned text in two: the first at least one character, at most half of all.

    None if it has not two characters.
    """
    cleaned = clean_caption(text)
    if len(cleaned) < 2:
        return None
    at = draw.randint(1, len(cleaned) // 2)
    return cleaned[:at], cleaned[at:]


def clean_caption(text: str) -> str:
    """Lower case, most punctuation turned into spaces, at most 50 words.

    >>> clean_caption('A dog (brown), "Rex": runs!')
    'a dog brown , rex runs'
    """
    spaced = re.sub(r"\s{2,}", " ", _SPACED.sub(" ", text.lower()))
    words = spaced.rstrip("\n").strip(" ").split(" ")
    return " ".join(words[:_MOST_WORDS])
