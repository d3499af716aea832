"""Metrics against the published scorers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness_tasks.metrics.captions import score_captions
from harness_tasks.metrics.ptb import tokenize
from harness_tasks.metrics.vqa_accuracy import NORMALISED, Rule, vqa_accuracy

JAVA = shutil.which("java")


@pytest.fixture(scope="module")
def reference(conformance: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((conformance / "metrics.json").read_text())
    return content


#: What the published scorers are called in the file.
SCORERS: dict[Rule, str] = {
    "official": "official",
    "lavis": "lavis",
    "lmms-eval": "lmms_vqav2",
    "lmms-eval-okvqa": "lmms_okvqa",
    "vlmevalkit": "vlmevalkit",
}


@pytest.mark.parametrize("rule", NORMALISED)
def test_vqa_accuracy_equals_the_published_scorers(reference: dict[str, Any], rule: Rule) -> None:
    assert reference["vqa"]

    for case in reference["vqa"]:
        score = vqa_accuracy(case["prediction"], case["answers"], rule)
        assert score == pytest.approx(case[SCORERS[rule]], abs=1e-4), case["case"]


def test_tokenisation_equals_pycocoevalcap(reference: dict[str, Any]) -> None:
    assert reference["ptb_pycocoevalcap"]

    for text, expected in reference["ptb_pycocoevalcap"]:
        wanted = expected if isinstance(expected, str) else expected[0]
        assert tokenize(text) == wanted


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR takes seconds to start; one test has it."""
    monkeypatch.setenv("PATH", "")


#: Four images, their references and predictions, and what pycocoevalcap 1.2 with its own Java
#: tokenizer gives for the first one, two, three and all four of them.
CAPTIONS = [
    (
        "a dog runs on the grass",
        ["a brown dog runs on the grass", "a dog running in a field", "the dog is running"],
    ),
    (
        "a man riding a bicycle",
        [
            "a man rides a red bicycle",
            "a person riding a bike down a street",
            "man on a bicycle",
        ],
    ),
    (
        "children play with a ball",
        [
            "two children play with a ball",
            "kids playing soccer in a park",
            "children playing with a ball",
        ],
    ),
    (
        "a plate of rice and beans",
        [
            "a plate of food with rice and beans",
            "rice and beans on a plate",
            "a meal of rice and beans",
        ],
    ),
]


@pytest.mark.parametrize(("count", "cider"), [(2, 2.512801), (3, 3.070574), (4, 3.527614)])
def test_cider_equals_pycocoevalcap(count: int, cider: float) -> None:
    predictions, references = zip(*CAPTIONS[:count], strict=True)

    scores = score_captions(predictions, references)

    assert sum(scores.cider) / count == pytest.approx(cider, abs=1e-6)


def test_capitals_and_full_stops_change_nothing() -> None:
    predictions, references = zip(*CAPTIONS, strict=True)

    scores = score_captions([f"{text.capitalize()}." for text in predictions], references)

    assert list(scores.cider) == pytest.approx([3.164553, 1.924987, 4.107883, 4.913033], abs=1e-6)
    assert [scores.metrics[f"BLEU-{n}"] for n in (1, 2, 3, 4)] == pytest.approx(
        [1.0, 0.971825, 0.846766, 0.742276], abs=1e-6
    )
    assert scores.metrics["ROUGE-L"] == pytest.approx(0.867255, abs=1e-6)


def test_metrics_without_java_are_absent_with_a_reason() -> None:
    predictions, references = zip(*CAPTIONS, strict=True)

    scores = score_captions(predictions, references)

    assert set(scores.absent) == {"METEOR", "SPICE"}
    assert "Java" in scores.absent["METEOR"]
    assert "METEOR" not in scores.metrics


@pytest.mark.skipif(JAVA is None, reason="no Java on this machine")
def test_meteor_runs_where_java_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(str(JAVA)).parent))
    predictions, references = zip(*CAPTIONS, strict=True)

    scores = score_captions(predictions, references)

    assert 0.3 < scores.metrics["METEOR"] < 0.6
    assert "corenlp" in scores.absent["SPICE"]
