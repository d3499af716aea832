"""OK-VQA's lemmas: what LAVIS's number needs, and what is said where it cannot be had."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from harness.plugin import AbsentError, Example, Sample
from harness_tasks import okvqa
from harness_tasks.okvqa import LEMMATISED_ACCURACY, OKVQA, lemmatise

#: Word -> part of speech and lemma.
WORDS = {"dogs": ("NOUN", "dog"), "running": ("VERB", "run"), "better": ("ADJ", "good")}
EXAMPLE = Example(sample=Sample(id="1"), references=("dog",) * 10)
PROFILES = {profile.name: profile for profile in OKVQA.profiles}


@pytest.fixture
def spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spaCy that knows three words."""

    def pipe(texts: Sequence[str]) -> Iterator[list[SimpleNamespace]]:
        for text in texts:
            known = [(word, *WORDS.get(word, ("X", "?"))) for word in text.split()]
            yield [SimpleNamespace(text=w, pos_=pos, lemma_=lemma) for w, pos, lemma in known]

    module = ModuleType("spacy")
    module.load = {"en_core_web_sm": SimpleNamespace(pipe=pipe)}.__getitem__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spacy", module)
    monkeypatch.setattr(okvqa, "find_spec", lambda _: object())


@pytest.mark.usefixtures("spacy")
def test_nouns_and_verbs_become_their_lemma() -> None:
    assert lemmatise(["dogs running better", "a cat"]) == ["dog run better", "a cat"]


@pytest.mark.usefixtures("spacy")
def test_the_official_profile_also_gives_lavis_number() -> None:
    scores = OKVQA().score([EXAMPLE], ["dogs"], PROFILES["official"])

    assert (scores.per_sample, scores.metrics) == ([0.0], {LEMMATISED_ACCURACY: 100.0})
    assert OKVQA().score([EXAMPLE], ["dogs"], PROFILES["lavis"]).per_sample == [1.0]


def test_without_spacy_the_number_is_absent_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(okvqa, "find_spec", lambda _: None)

    scores = OKVQA().score([EXAMPLE], ["dogs"], PROFILES["official"])

    assert scores.metrics == {}
    assert scores.absent[LEMMATISED_ACCURACY].startswith("needs spacy and en_core_web_sm")
    with pytest.raises(AbsentError, match="okvqa/lavis needs spacy and en_core_web_sm"):
        OKVQA().examples(tmp_path, PROFILES["lavis"], None)
