"""What tasks on labelled images share: top-1 and top-5, by logits or zero-shot."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.plugin import (
    Asker,
    Classifies,
    Example,
    LoadedModel,
    Manifest,
    Metric,
    NamesClasses,
    Profile,
    Sample,
    Scores,
)
from harness_tasks import zero_shot
from harness_tasks.class_order import Class, classes_of_logits
from harness_tasks.image_folder import Labelled

#: Between a class's id and its name, where both make a choice.
BETWEEN = "\t"


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
            return self._by_logits(asker, samples, classes_chosen(examples))
        names = examples[0].choices
        return zero_shot.classify(asker, samples, names, self.templates[profile.name])

    def _by_logits(
        self, asker: Asker, samples: Sequence[Sample], classes: Sequence[Class]
    ) -> list[list[int | None]]:
        """Up to five classes per image; None = one that the data does not have."""
        places = classes_of_logits(_labels(asker.model, samples[0]), classes)
        return [[places[logit] for logit in best] for best in asker.classify(samples)]

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        labels = [int(example.references[0]) for example in examples]
        hits = [label in best[:5] for best, label in zip(outputs, labels, strict=True)]
        return Scores(
            per_sample=[float(best[0] == k) for best, k in zip(outputs, labels, strict=True)],
            metrics={"top-5": 100 * sum(hits) / len(hits)},
        )


def _labels(model: LoadedModel, sample: Sample) -> Sequence[str]:
    """What the model calls the classes of its logits; empty names where it has none."""
    if isinstance(model, NamesClasses):
        return model.class_names
    assert isinstance(model, Classifies)
    return [""] * model.classify([sample]).shape[1]


def labelled_examples(labelled: Labelled, choices: Sequence[str] = ()) -> list[Example]:
    """One example per image; its id is the image's folder and file name.

    Args:
        choices: What an answer is chosen from, instead of the classes' names.
    """
    choices = tuple(choices or labelled.names)
    return [
        Example(
            sample=Sample(id=f"{path.parent.name}/{path.name}", image=path),
            references=(str(label),),
            stratum=str(label),
            choices=choices,
            cluster=f"{path.parent.name}/{path.name}",
        )
        for path, label in labelled.images
    ]


def classifiers_examples(labelled: Labelled) -> list[Example]:
    """Examples for logits, which are matched with classes by their ids and names: the choices."""
    return labelled_examples(labelled, [f"{i.key}{BETWEEN}{i.name}" for i in labelled.classes])


def classes_chosen(examples: Sequence[Example]) -> list[Class]:
    """The classes of `classifiers_examples`."""
    pairs = [choice.partition(BETWEEN) for choice in examples[0].choices]
    return [Class(key, name) for key, _, name in pairs]
