"""Captioning: nocaps and COCO-style captions, scored by CIDEr-D.

Agrawal et al., "nocaps: novel object captioning at scale", ICCV 2019; Chen et al., "Microsoft COCO
Captions", 2015 (arXiv:1504.00325). One reader takes COCO's captions JSON, nocaps' (the same with a
domain per image), Karpathy's split files and LAVIS's lists.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import (
    Asker,
    DataError,
    Example,
    Manifest,
    Metric,
    Profile,
    Sample,
    Scores,
    Task,
    hookimpl,
    listed,
)
from harness_tasks import lavis, lmms_eval
from harness_tasks.caption_files import captions_in, read_captions
from harness_tasks.manifests import manifest_of
from harness_tasks.metrics.captions import CIDER_D, missing_metrics, score_captions
from harness_tasks.metrics.ptb import tokenize

CIDER = Metric(name=CIDER_D)
LMMS_EVAL = Profile(name="lmms-eval", prompt=lmms_eval.CAPTION_PROMPT, generation=lmms_eval.CAPTION)


class Captioning:
    """What the caption tasks share."""

    name: ClassVar[str]
    manifest: ClassVar[Manifest]
    metric: ClassVar[Metric] = CIDER
    profiles: ClassVar[tuple[Profile, ...]]

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        return missing_metrics()

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        path, images = captions_in(folder, self.manifest)
        items = read_captions(path, images, split="test")
        for item in items:
            if not any(map(tokenize, item.captions)):
                said = listed(map(repr, item.captions))
                raise DataError(
                    path, f"none of its captions has a word: {said}", f"image {item.id}"
                )
        return [
            Example(
                sample=Sample(id=item.id, image=item.path, prompt=profile.prompt),
                references=item.captions,
                label=item.domain,
                cluster=item.id,
            )
            for item in items
        ]

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        return asker.generate([example.sample for example in examples], profile.generation)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        scores = score_captions(outputs, [example.references for example in examples])
        return Scores(per_sample=scores.cider, metrics=scores.metrics, absent=scores.absent)


class NoCaps(Captioning):
    """nocaps validation, broken down by domain."""

    name: ClassVar[str] = "nocaps"
    manifest: ClassVar[Manifest] = manifest_of("nocaps")
    profiles: ClassVar[tuple[Profile, ...]] = (
        *lavis.captions("lavis", lavis.CAPTION_PROMPT),
        LMMS_EVAL,
    )


class CocoCaption(Captioning):
    """COCO-style captions: val2017, or what else the manifest names."""

    name: ClassVar[str] = "coco-caption"
    manifest: ClassVar[Manifest] = manifest_of("coco-caption")
    profiles: ClassVar[tuple[Profile, ...]] = (*lavis.captions("lavis", ""), LMMS_EVAL)


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [NoCaps, CocoCaption]
