"""What tasks on labelled images share: top-1 and top-5, by logits or zero-shot."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.plugin import Asker, Example, Manifest, Metric, Profile, Sample, Scores
from harness_tasks import zero_shot
from harness_tasks.image_folder import Labelled


class LabelledImages:
    """Top-1 accuracy. The classes of a zero-shot profile are its examples' choices."""

    name: ClassVar[str]
    manifest: ClassVar[Manifest]
    metric: ClassVar[Metric] = Metric(name="top-1", unit="%", scale=100, is_correctness=True)
    profiles: ClassVar[tuple[Profile, ...]]
    templates: ClassVar[Mapping[str, tuple[str, ...]]]
    """Sentences that class names are put into, by zero-shot profile."""

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        samples = [example.sample for example in examples]
        if profile.name not in self.templates:
            return asker.classify(samples)
        names = examples[0].choices
        return zero_shot.classify(asker, samples, names, self.templates[profile.name])

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        labels = [int(example.references[0]) for example in examples]
        hits = [label in best[:5] for best, label in zip(outputs, labels, strict=True)]
        return Scores(
            per_sample=[float(best[0] == k) for best, k in zip(outputs, labels, strict=True)],
            metrics={"top-5": 100 * sum(hits) / len(hits)},
        )


def labelled_examples(labelled: Labelled) -> list[Example]:
    """One example per image; its id is the image's folder and file name."""
    names = tuple(labelled.names)
    return [
        Example(
            sample=Sample(id=f"{path.parent.name}/{path.name}", image=path),
            references=(str(label),),
            stratum=str(label),
            choices=names,
            cluster=f"{path.parent.name}/{path.name}",
        )
        for path, label in labelled.images
    ]
