"""VQA accuracy as five published scorers compute it.

Antol et al., "VQA: Visual Question Answering", ICCV 2015. For each of the ten annotators, the
prediction scores min(1, matches among the other nine / 3); the mean over annotators counts.
The scorers differ only in what is normalised, and when: `NORMALISED` says it all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness_tasks.metrics.answers import (
    Steps,
    normalise,
    one_line,
    spaced_punctuation,
    spaced_punctuation_lmms,
    spaced_punctuation_vlmevalkit,
    split_possessive,
    words,
)

Rule = Literal["official", "lavis", "lmms-eval", "lmms-eval-okvqa", "vlmevalkit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """Steps taken always, and further ones where annotators do not all say the same."""

    prediction: Steps
    answers: Steps
    disputed_prediction: Steps = ()
    disputed_answers: Steps = ()


_VQA = (spaced_punctuation, words)
_LMMS = (one_line, spaced_punctuation_lmms, words)
_LMMS_OKVQA = (split_possessive, *_LMMS)
_VLMEVALKIT = (one_line, spaced_punctuation_vlmevalkit, words)

#: By rule; sources stand in `harness_tasks.metrics.answers`.
NORMALISED: Mapping[Rule, Normalised] = {
    "official": Normalised(
        prediction=(one_line,),
        answers=(one_line,),
        disputed_prediction=_VQA,
        disputed_answers=_VQA,
    ),
    "lavis": Normalised(
        prediction=(one_line, *_VQA),
        answers=(),
        disputed_answers=(spaced_punctuation,),
    ),
    "lmms-eval": Normalised(prediction=_LMMS, answers=_LMMS),
    "lmms-eval-okvqa": Normalised(prediction=_LMMS_OKVQA, answers=_LMMS_OKVQA),
    "vlmevalkit": Normalised(prediction=_VLMEVALKIT, answers=_VLMEVALKIT),
}


def vqa_accuracy(prediction: str, answers: Sequence[str], rule: Rule) -> float:
    """Score one prediction in [0, 1] against all annotators' answers.

    >>> vqa_accuracy("red", ["red"] * 3 + ["blue"] * 7, "official")
    0.9
    """
    steps = NORMALISED[rule]
    prediction = normalise(prediction, steps.prediction)
    answers = [normalise(answer, steps.answers) for answer in answers]
    if len(set(answers)) > 1:
        prediction = normalise(prediction, steps.disputed_prediction)
        answers = [normalise(answer, steps.disputed_answers) for answer in answers]
    matches = sum(answer == prediction for answer in answers)
    # Leaving out an annotator who agrees takes one match away, leaving out another none.
    agreeing = min(1.0, (matches - 1) / 3) if matches else 0.0
    others = min(1.0, matches / 3)
    return (matches * agreeing + (len(answers) - matches) * others) / len(answers)
