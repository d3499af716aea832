"""Every rule by which answers are scored, beside what the published scorers say.

``tests/data/vqa_answers.json`` is made by ``benchmarks/vqa_answers.py``, with the scorers as they
were published: GT-Vision-Lab/VQA a013f00, salesforce-lavis 1.0.2, lmms-eval 0.7.3, VLMEvalKit
4e85dcd.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from harness_tasks.metrics import exact_match, vqa_accuracy

FILE = Path(__file__).parent.parent / "data" / "vqa_answers.json"


@pytest.fixture(scope="module")
def published() -> list[Any]:
    content: list[Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("rule", vqa_accuracy.NORMALISED)
def test_vqa_accuracy_is_the_published_one(rule: vqa_accuracy.Rule, published: list[Any]) -> None:
    place = published[0]["vqa"].index(rule)
    rows = published[1:]
    scores = [row[2][place] for row in rows]

    assert len(rows) >= 1000
    assert 100 < sum(scores) < len(rows) - 100
    for prediction, grouped, said, _ in rows:
        answers = [answer for answer, count in grouped for _ in range(count)]
        score = vqa_accuracy.vqa_accuracy(prediction, answers, rule)
        assert score == pytest.approx(said[place], abs=1e-6), (prediction, answers)


@pytest.mark.parametrize("rule", exact_match.NORMALISED)
def test_exact_match_is_the_published_one(rule: exact_match.Rule, published: list[Any]) -> None:
    place = published[0]["gqa"].index(rule)
    rows = published[1:]

    assert 20 < sum(row[3][place] for row in rows) < len(rows) - 20
    for prediction, grouped, _, said in rows:
        assert exact_match.exact_match(prediction, grouped[0][0], rule) == said[place], prediction


def test_every_pair_of_rules_is_told_apart(published: list[Any]) -> None:
    for column, count in ((2, len(vqa_accuracy.NORMALISED)), (3, len(exact_match.NORMALISED))):
        verdicts = {tuple(row[column][place] for row in published[1:]) for place in range(count)}
        assert len(verdicts) == count


@pytest.mark.parametrize(
    ("text", "kept"), [("2.", "2."), ("v2.x", "v2.x"), ("mr. b.", "mr b"), (".5", ".5")]
)
def test_vlmevalkit_keeps_a_period_behind_a_digit(text: str, kept: str) -> None:
    """Its pattern has the lookbehind that the others' misses."""
    steps = vqa_accuracy.NORMALISED["vlmevalkit"].answers

    assert vqa_accuracy.normalise(text, steps) == kept
