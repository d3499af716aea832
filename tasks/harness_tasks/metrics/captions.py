"""CIDEr-D, BLEU, ROUGE-L by pycocoevalcap's own scorers; METEOR and SPICE where Java runs them.

Vedantam et al., "CIDEr: Consensus-based Image Description Evaluation", CVPR 2015. The class that
pycocoevalcap calls ``Cider`` is CIDEr-D; its document frequencies come from the references of the
evaluated images, so a score on a part of a split cannot be compared with the whole.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.plugin import InputError

CIDER_D = "CIDEr-D"
CORENLP = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
Texts = dict[int, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionScores:
    """CIDEr per image in the order given, empty where it is undefined; others over all images."""

    cider: Sequence[float]
    metrics: dict[str, float]
    absent: dict[str, str]


def score_captions(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> CaptionScores:
    """Score one caption per image against its references.

    Raises:
        InputError: pycocoevalcap is not installed.
    """
    if why := why_no_scores():
        raise InputError(why)
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    from harness_tasks.metrics.ptb import tokenize  # its patterns take half a second

    made: Texts = {i: [tokenize(text)] for i, text in enumerate(predictions)}
    wanted: Texts = {i: [tokenize(text) for text in texts] for i, texts in enumerate(references)}
    absent = _undefined(wanted)
    cider = [] if absent else Cider().compute_score(wanted, made)[1]
    bleu, _ = Bleu(4).compute_score(wanted, made, verbose=0)
    rouge, _ = Rouge().compute_score(wanted, made)
    metrics = {f"BLEU-{n}": float(value) for n, value in enumerate(bleu, start=1)}
    metrics["ROUGE-L"] = float(rouge)
    for name in ("METEOR", "SPICE"):
        reason = _why_absent(name)
        if reason:
            absent[name] = reason
        else:
            metrics[name] = _meteor(wanted, made) if name == "METEOR" else _spice(wanted, made)
    return CaptionScores(cider=[float(value) for value in cider], metrics=metrics, absent=absent)


def _undefined(wanted: Texts) -> dict[str, str]:
    """CIDEr-D where all document frequencies are alike: it then is 0 whatever a caption says.

    An n-gram weighs log(images / images that have it), so one that all have weighs nothing.
    """
    from pycocoevalcap.cider.cider_scorer import precook

    images = ({ngram for text in texts for ngram in precook(text)} for texts in wanted.values())
    first = next(images)
    if not all(ngrams == first for ngrams in images):
        return {}
    if len(wanted) == 1:
        return {CIDER_D: "undefined on one image: words are weighed by how many images have them"}
    return {CIDER_D: f"undefined: the references of all {len(wanted)} images have the same words"}


def why_no_scores() -> str:
    """Why captions cannot be scored here; empty if they can."""
    if find_spec("pycocoevalcap") is not None:
        return ""
    return "captions are scored by pycocoevalcap; pip install 'pruning-harness[coco]'"


def missing_metrics() -> dict[str, str]:
    """Metric -> why it cannot be computed here; all of them under an empty text."""
    if why := why_no_scores():
        return {"": why}
    reasons = {name: _why_absent(name) for name in ("METEOR", "SPICE")}
    return {name: reason for name, reason in reasons.items() if reason}


def _why_absent(name: str) -> str:
    if shutil.which("java") is None:
        return "needs Java, and there is no `java` on the path"
    if name == "SPICE":
        spec = find_spec("pycocoevalcap.spice")
        folder = Path(str(spec.origin)).parent / "lib" if spec else Path()
        missing = [jar for jar in CORENLP if not (folder / jar).is_file()]
        if missing:
            return f"needs {' and '.join(missing)} in pycocoevalcap/spice/lib"
    return ""


def _meteor(wanted: Texts, made: Texts) -> float:
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()
    try:
        return float(scorer.compute_score(wanted, made)[0])
    finally:
        with scorer.meteor_p as process:  # pycocoevalcap leaves its Java process running
            process.kill()
        if scorer.lock.locked():  # it was interrupted, and would wait for itself when it goes
            scorer.lock.release()


def _spice(wanted: Texts, made: Texts) -> float:
    from pycocoevalcap.spice.spice import Spice

    return float(Spice().compute_score(wanted, made)[0])
