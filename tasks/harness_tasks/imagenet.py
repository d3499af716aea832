"""ImageNet-1k: top-1 and top-5 of a classifier on an ImageFolder.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import (
    Asker,
    Example,
    Metric,
    Profile,
    Sample,
    Scores,
    Task,
    hookimpl,
)
from harness_tasks.image_folder import MAPPING, read_image_folder


class ImageNet:
    """Top-1 accuracy on the validation images."""

    name: ClassVar[str] = "imagenet"
    profiles: ClassVar[tuple[Profile, ...]] = (Profile(name="classifier", needs=("classify",)),)
    metric: ClassVar[Metric] = Metric(name="top-1", unit="%", scale=100, is_correctness=True)

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        return [
            Example(
                sample=Sample(id=f"{path.parent.name}/{path.name}", image=path),
                references=(str(label),),
                cluster=f"{path.parent.name}/{path.name}",
            )
            for path, label in read_image_folder(folder)
        ]

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        return asker.classify([example.sample for example in examples])

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        labels = [int(example.references[0]) for example in examples]
        hits = [label in best[:5] for best, label in zip(outputs, labels, strict=True)]
        return Scores(
            per_sample=[float(best[0] == k) for best, k in zip(outputs, labels, strict=True)],
            metrics={"top-5": 100 * sum(hits) / len(hits)},
        )

    def instructions(self) -> str:
        return (
            "ImageNet-1k: get the validation images from https://image-net.org (registration) and "
            f"put them as val/<wnid>/*.JPEG into one folder, with {MAPPING} beside val/"
        )


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [ImageNet]
