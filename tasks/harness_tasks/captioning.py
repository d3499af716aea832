"""Captioning: nocaps and COCO-style captions, scored by CIDEr-D.

Agrawal et al., "nocaps: novel object captioning at scale", ICCV 2019; Chen et al., "Microsoft COCO
Captions", 2015 (arXiv:1504.00325). One reader takes COCO's captions JSON, nocaps' (the same with a
domain per image) and Karpathy's split files.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import (
    Example,
    Metric,
    Needs,
    Profile,
    Sample,
    Scores,
    Task,
    UnknownNameError,
    hookimpl,
)
from harness_tasks import lavis
from harness_tasks.annotation_files import existing_image
from harness_tasks.caption_files import COCO_FILES, NOCAPS, find_captions, read_captions
from harness_tasks.metrics.captions import score_captions

CIDER = Metric(name="CIDEr-D")


class Captioning:
    """What the caption tasks share."""

    name: ClassVar[str]
    needs: ClassVar[Needs] = "generate"
    metric: ClassVar[Metric] = CIDER
    prompt: ClassVar[str]

    def profile(self, name: str | None) -> Profile:
        if name not in (None, "lavis"):
            raise UnknownNameError(f"{self.name} profile", str(name), ["lavis"])
        return Profile(name="lavis", prompt=self.prompt, generation=lavis.CAPTION)

    def find(self, folder: Path) -> tuple[Path, Path]:
        """The captions file and the folder of its images."""
        raise NotImplementedError

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        path, images = self.find(folder)
        return [
            Example(
                sample=Sample(id=item.id, image=existing_image(item.path), prompt=profile.prompt),
                references=item.captions,
                label=item.domain,
                cluster=item.id,
            )
            for item in read_captions(path, images, split="test")
        ]

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        scores = score_captions(outputs, [example.references for example in examples])
        return Scores(per_sample=scores.cider, metrics=scores.metrics, absent=scores.absent)


class NoCaps(Captioning):
    """nocaps validation, broken down by domain."""

    name: ClassVar[str] = "nocaps"
    prompt: ClassVar[str] = lavis.CAPTION_PROMPT

    def find(self, folder: Path) -> tuple[Path, Path]:
        return find_captions(folder, {NOCAPS: "images"})

    def instructions(self) -> str:
        return (
            f"nocaps: get {NOCAPS} and the validation images from https://nocaps.org/download and "
            f"put the file and the folder images/ into one folder"
        )


class CocoCaption(Captioning):
    """COCO-style captions: COCO's own files, or Karpathy's test split."""

    name: ClassVar[str] = "coco-caption"
    prompt: ClassVar[str] = ""

    def find(self, folder: Path) -> tuple[Path, Path]:
        return find_captions(folder, COCO_FILES)

    def instructions(self) -> str:
        return (
            "COCO captions: get 2017 val images and annotations from https://cocodataset.org and "
            "put annotations/captions_val2017.json and val2017/ into one folder; or a Karpathy "
            "split file with its images/"
        )


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [NoCaps, CocoCaption]
