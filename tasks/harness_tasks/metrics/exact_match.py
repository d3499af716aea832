"""Exact match of one prediction with one answer, as GQA is scored in four places.

- official: equality of the strings as they are (GQA's own evaluation script, eval.py);
- lavis: the prediction normalised like a VQA answer, the answer as it stands
  (salesforce/LAVIS, lavis/tasks/vqa.py, GQATask);
- lmms-eval: the prediction stripped, then both in lower case without punctuation (lmms-eval 0.7.3,
  the ``exact_match`` of Hugging Face with ``ignore_case`` and ``ignore_punctuation``);
- vlmevalkit: both in lower case, stripped (VLMEvalKit, vqa_eval.py, method ``accuracy``).
"""

from collections.abc import Mapping
from typing import Literal

from harness_tasks.metrics.answers import (
    Steps,
    no_punctuation,
    normalise,
    one_line,
    spaced_punctuation,
    words,
)

Rule = Literal["official", "lavis", "lmms-eval", "vlmevalkit"]

#: What is done to the prediction and to the answer, by rule.
NORMALISED: Mapping[Rule, tuple[Steps, Steps]] = {
    "official": ((), ()),
    "lavis": ((one_line, spaced_punctuation, words), ()),
    "lmms-eval": ((str.strip, str.lower, no_punctuation), (str.lower, no_punctuation)),
    "vlmevalkit": ((str.lower, str.strip), (str.lower, str.strip)),
}


def exact_match(prediction: str, answer: str, rule: Rule) -> float:
    """1.0 if they are the same after the rule's steps, else 0.0.

    >>> exact_match("T-shirt.", "tshirt", "lmms-eval")
    1.0
    """
    of_prediction, of_answer = NORMALISED[rule]
    return float(normalise(prediction, of_prediction) == normalise(answer, of_answer))
