"""Steps of the published scorers, and the four ways in which GQA is scored."""

import pytest

from harness_tasks.metrics.answers import (
    spaced_punctuation,
    spaced_punctuation_lmms,
    split_possessive,
    words,
)
from harness_tasks.metrics.exact_match import NORMALISED, exact_match
from harness_tasks.metrics.vqa_accuracy import vqa_accuracy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t-shirt", "t shirt"),
        ("red, blue", "red blue"),
        ("1,000 (or so)", "1000 or so"),
        ("3.5 vs. 4.", "3.5 vs 4"),
        ("." * 40, "." * 8),
    ],
)
def test_marks_go_or_become_blanks(text: str, expected: str) -> None:
    assert spaced_punctuation(text) == expected


def test_only_lmms_eval_reads_two_commas_as_thousands() -> None:
    assert spaced_punctuation("1,,000-x") == "1  000 x"
    assert spaced_punctuation_lmms("1,,000-x") == "1000x"


def test_words_and_possessives() -> None:
    assert words("The TWO dogs dont eat None") == "2 dogs don't eat 0"
    assert split_possessive("The dog's, OK?") == "the dog 's ok"


MATCHES = {
    # prediction, answer: official, lavis, lmms-eval, vlmevalkit
    ("yes", "yes"): (1, 1, 1, 1),
    ("Yes", "yes"): (0, 1, 1, 1),
    (" yes\n", "yes"): (0, 1, 1, 1),
    ("yes.", "yes"): (0, 1, 1, 0),
    ("a dog", "dog"): (0, 1, 0, 0),
    ("two", "2"): (0, 1, 0, 0),
    ("2", "two"): (0, 0, 0, 0),
    ("T-shirt", "tshirt"): (0, 0, 1, 0),
    ("t-shirt", "t-shirt"): (1, 0, 1, 1),
}


@pytest.mark.parametrize(("pair", "expected"), MATCHES.items())
def test_exact_match(pair: tuple[str, str], expected: tuple[int, ...]) -> None:
    assert tuple(exact_match(*pair, rule) for rule in NORMALISED) == expected


def test_line_ends_in_answers_count_for_lavis_alone() -> None:
    answers = ["red "] * 10

    scores = {rule: vqa_accuracy("red", answers, rule) for rule in ("official", "lavis")}

    assert scores == {"official": 1, "lavis": 0}
