"""Steps that published scorers take to make short answers comparable.

References: GT-Vision-Lab/VQA, vqaEval.py (the origin of all of them); salesforce/LAVIS,
lavis/common/vqa_tools/vqa_eval.py; lmms-eval 0.7.3, _task_utils/vqa_eval_metric.py; VLMEvalKit,
vlmeval/dataset/utils/vqa_eval.py and vlmeval/smp/misc.py. Their word tables are the same; a rule
is a choice of steps.
"""

import re
import string
from collections.abc import Callable

Step = Callable[[str], str]
Steps = tuple[Step, ...]

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
_THOUSANDS_OR_COMMAS = re.compile(r"\d,+\d")
_PERIOD = re.compile(r"\.(?!\d)")
#: The tools mean to keep a period behind a digit, too; only VLMEvalKit's pattern does.
_LONE_PERIOD = re.compile(r"(?<!\d)\.(?!\d)")
#: The tools pass a regex flag where ``re.sub`` takes its count: at most 32 full stops go.
_MOST_PERIODS = 32
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str, steps: Steps) -> str:
    """The text after all steps, first to last."""
    for step in steps:
        text = step(text)
    return text


def one_line(text: str) -> str:
    """Blanks for line ends and tabs, none around the text."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def spaced_punctuation(
    text: str, thousands: re.Pattern[str] = _THOUSANDS, period: re.Pattern[str] = _PERIOD
) -> str:
    """Drop a mark that touches a space (or every mark beside a thousands comma), else space it."""
    drop_all = thousands.search(text) is not None
    cleaned = text
    for mark in PUNCTUATION:
        touches = f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if drop_all or touches else " ")
    return period.sub("", cleaned, count=_MOST_PERIODS)


def spaced_punctuation_lmms(text: str) -> str:
    """The same, but several commas between two digits count as a thousands comma, too."""
    return spaced_punctuation(text, _THOUSANDS_OR_COMMAS)


def spaced_punctuation_vlmevalkit(text: str) -> str:
    """The same, but a period behind a digit stays: ``2.`` is not ``2``."""
    return spaced_punctuation(text, period=_LONE_PERIOD)


def words(text: str) -> str:
    """Lower case, digits for number words, no articles, apostrophes in contractions."""
    digits = [NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in digits if word not in ARTICLES)


def split_possessive(text: str) -> str:
    """Lower case, no comma or question mark, a blank before each ``'s``."""
    return text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()


def no_punctuation(text: str) -> str:
    """Every ASCII punctuation mark deleted: ``t-shirt`` becomes ``tshirt``."""
    return text.translate(_NO_PUNCTUATION)
