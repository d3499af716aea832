"""Flickr30k: retrieval of texts by image and of images by text, on Karpathy's 1k test split.

Young et al., TACL 2014; Karpathy and Fei-Fei, CVPR 2015. Two profiles, whose numbers differ by
points: ``itc`` ranks by the similarity of features, ``itc+itm`` has the model read each query with
its 128 most similar candidates and ranks those again, as LAVIS does (lavis/tasks/retrieval.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import Asker, Example, Manifest, Metric, Profile, Sample, Scores, Task, hookimpl
from harness_tasks.caption_files import captions_in, read_captions
from harness_tasks.manifests import manifest_of
from harness_tasks.metrics.recall import Rank, Ranks, candidates, ranks_from_features, recalls

#: Candidates that are read together with the query; ``k_test`` of LAVIS.
CANDIDATES = 128
KS = (1, 5, 10)


class Flickr30k:
    """Mean of TR@1, 5, 10 and IR@1, 5, 10; the gallery is what is evaluated."""

    name: ClassVar[str] = "flickr30k"
    manifest: ClassVar[Manifest] = manifest_of("flickr30k")
    metric: ClassVar[Metric] = Metric(name="mean recall", unit="%", scale=100)
    profiles: ClassVar[tuple[Profile, ...]] = (
        Profile(name="itc+itm", needs=("embed", "match")),
        Profile(name="itc", needs=("embed",)),
        Profile(name="itc+itm-364", needs=("embed", "match"), family="blip2", image_size=364),
        Profile(name="itc+itm-384", needs=("embed", "match"), family="blip", image_size=384),
    )

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        path, images = captions_in(folder, self.manifest)
        return [
            Example(
                sample=Sample(id=item.id, image=item.path),
                references=item.captions,
                cluster=item.id,
            )
            for item in read_captions(path, images, split="test")
        ]

    def ask(self, asker: Asker, examples: Sequence[Example], profile: Profile) -> Sequence[Any]:
        samples = [example.sample for example in examples]
        captions = [caption for example in examples for caption in example.references]
        owner = [index for index, example in enumerate(examples) for _ in example.references]
        images, texts = asker.embed_images(samples), asker.embed_texts(captions)
        if "match" not in profile.needs:
            return _by_image(ranks_from_features(images, texts, owner), owner)
        found = candidates(images, texts, CANDIDATES)
        pairs = [replace(samples[image], prompt=captions[text]) for image, text in found.pairs]
        return _by_image(found.ranks(asker.match(pairs), owner), owner)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        of_texts = [Rank(*texts) for texts, _ in outputs]
        of_images = [[Rank(*rank) for rank in images] for _, images in outputs]
        ranks = Ranks(of_texts, [rank for own in of_images for rank in own])
        metrics = recalls(ranks)
        if len(of_texts) == 1:
            why = "undefined on one image: it is found whatever the model says"
            return Scores(per_sample=(), absent=dict.fromkeys([self.metric.name, *metrics], why))
        # The mean over images of TR's half and, times images per caption, IR's half.
        share = len(of_texts) / len(ranks.images)
        return Scores(
            per_sample=[
                (_hits(text) + share * sum(map(_hits, images))) / 2
                for text, images in zip(of_texts, of_images, strict=True)
            ],
            metrics=metrics,
        )


def _by_image(ranks: Ranks, owner: Sequence[int]) -> list[list[Any]]:
    """Per image, the rank of its best text, and for each of its texts the rank of the image."""
    outputs: list[list[Any]] = [[list(rank), []] for rank in ranks.texts]
    for image, rank in zip(owner, ranks.images, strict=True):
        outputs[image][1].append(list(rank))
    return outputs


def _hits(rank: Rank) -> float:
    return sum(rank.hit(k) for k in KS) / len(KS)


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Flickr30k]
