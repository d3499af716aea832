"""VQA accuracy as the official tool and as LAVIS compute it.

Antol et al., "VQA: Visual Question Answering", ICCV 2015. For each of the ten annotators, the
prediction scores min(1, matches among the other nine / 3); the mean over annotators counts.
References: GT-Vision-Lab/VQA, vqaEval.py (``official``); salesforce/LAVIS,
lavis/common/vqa_tools/vqa_eval.py (``lavis``). They differ in what is normalised when:

- official: prediction and answers in full, but only where annotators disagree;
- lavis: the prediction always in full, answers by punctuation only where annotators disagree.
"""

import re
from collections.abc import Sequence
from typing import Literal

Rule = Literal["official", "lavis"]

NUMBERS = {
    word: str(value)
    for value, word in enumerate("zero one two three four five six seven eight nine ten".split())
} | {"none": "0"}
ARTICLES = frozenset({"a", "an", "the"})
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
#: Full forms; the tools know each of them with one apostrophe left out.
_CONTRACTIONS = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
    haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't
    mightn't've might've mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've
    should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've
    someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't
    what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's
    who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd
    you'd've you'll you're you've
""".split()
CONTRACTIONS = {
    full[:index] + full[index + 1 :]: full
    for full in _CONTRACTIONS
    for index, letter in enumerate(full)
    if letter == "'"
} | {"somebody'd": "somebodyd"}  # reversed in the tools' own table

_THOUSANDS = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
#: The tools pass a regex flag where ``re.sub`` takes its count: at most 32 full stops go.
_MOST_PERIODS = 32


def vqa_accuracy(prediction: str, answers: Sequence[str], rule: Rule) -> float:
    """Score one prediction in [0, 1] against all annotators' answers.

    >>> vqa_accuracy("red", ["red"] * 3 + ["blue"] * 7, "official")
    0.9
    """
    prediction = prediction.replace("\n", " ").replace("\t", " ").strip()
    disagree = len(set(answers)) > 1
    if disagree or rule == "lavis":
        prediction = normalise_words(normalise_punctuation(prediction))
    if disagree:
        answers = [normalise_punctuation(answer) for answer in answers]
        if rule == "official":
            answers = [normalise_words(answer) for answer in answers]
    matches = sum(answer == prediction for answer in answers)
    # Leaving out an annotator who agrees takes one match away, leaving out another none.
    agreeing = min(1.0, (matches - 1) / 3) if matches else 0.0
    others = min(1.0, matches / 3)
    return (matches * agreeing + (len(answers) - matches) * others) / len(answers)


def normalise_punctuation(text: str) -> str:
    """Drop a mark that touches a space (or every mark beside a thousands comma), else space it."""
    drop_all = _THOUSANDS.search(text) is not None
    cleaned = text
    for mark in PUNCTUATION:
        touches = f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if drop_all or touches else " ")
    return _PERIOD.sub("", cleaned, count=_MOST_PERIODS)


def normalise_words(text: str) -> str:
    """Lower case, digits for number words, no articles, apostrophes in contractions."""
    words = [NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)
