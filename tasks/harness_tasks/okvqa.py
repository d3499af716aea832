"""OK-VQA: questions on COCO photographs that need knowledge from outside the picture.

Marino et al., "OK-VQA", CVPR 2019. Reads the official files of val2014 (5,046 questions), which
LAVIS calls the test split. LAVIS lemmatises predictions with spaCy before it scores them; where
spaCy or its English model is missing, that number is absent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from harness.plugin import AbsentError, Example, Manifest, Profile, Scores, Task, hookimpl
from harness_tasks import lavis, lmms_eval
from harness_tasks.manifests import manifest_of
from harness_tasks.metrics.vqa_accuracy import Rule
from harness_tasks.open_questions import OpenQuestions

SPACY_MODEL = "en_core_web_sm"
#: Parts of speech whose words LAVIS replaces by their lemma (blip2_t5.py, ``_lemmatize``).
LEMMATISED = ("NOUN", "VERB")
LEMMATISED_ACCURACY = "VQA accuracy of profile lavis"


class OKVQA(OpenQuestions):
    """VQA accuracy on the validation questions."""

    name: ClassVar[str] = "okvqa"
    manifest: ClassVar[Manifest] = manifest_of("okvqa")
    profiles: ClassVar[tuple[Profile, ...]] = (
        *lavis.short_answers("official"),
        *lavis.short_answers("lavis"),
        Profile(name="lmms-eval", prompt=lmms_eval.OKVQA_PROMPT, generation=lmms_eval.UNLIMITED),
    )
    rules: ClassVar[Mapping[str, Rule]] = {
        "official": "official",
        "lavis": "lavis",
        "lmms-eval": "lmms-eval-okvqa",
    }
    questions: ClassVar[str] = "OpenEnded_mscoco_val2014_questions.json"
    annotations: ClassVar[str] = "mscoco_val2014_annotations.json"

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        return {"profile lavis": why} if (why := why_no_lemmas()) else {}

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        if profile.name == "lavis" and why_no_lemmas():
            raise AbsentError(f"okvqa/lavis {why_no_lemmas()}; okvqa/official does without")
        return super().examples(folder, profile, encode)

    def score(
        self, examples: Sequence[Example], outputs: Sequence[Any], profile: Profile
    ) -> Scores:
        if profile.name == "lavis":
            return super().score(examples, lemmatise(outputs), profile)
        scores = super().score(examples, outputs, profile)
        if profile.name != "official":
            return scores
        if why_no_lemmas():
            return replace(scores, absent={LEMMATISED_ACCURACY: why_no_lemmas()})
        by_lavis = self.score(examples, outputs, replace(profile, name="lavis"))
        accuracy = self.metric.scale * fmean(by_lavis.per_sample)
        return replace(scores, metrics={LEMMATISED_ACCURACY: accuracy})


def why_no_lemmas() -> str:
    """Why predictions cannot be lemmatised here; empty if they can."""
    found = {"spacy": find_spec("spacy"), SPACY_MODEL: find_spec("en_core_web_sm")}
    missing = [name for name, spec in found.items() if spec is None]
    if not missing:
        return ""
    return (
        f"needs {' and '.join(missing)}, as LAVIS does: pip install spacy, then "
        f"python -m spacy download {SPACY_MODEL}"
    )


def lemmatise(texts: Sequence[str]) -> list[str]:
    """Replace nouns and verbs by their lemma with spaCy's small English model."""
    import spacy

    pipeline = spacy.load(SPACY_MODEL)
    return [
        " ".join(word.lemma_ if word.pos_ in LEMMATISED else word.text for word in document)
        for document in pipeline.pipe(texts)
    ]


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [OKVQA]
