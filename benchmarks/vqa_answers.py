"""Questions' answers that tell the published VQA scorers apart, with what the scorers say.

    python benchmarks/vqa_answers.py SCORERS.py tests/data/vqa_answers.json

SCORERS.py is a file that loads the published code; it is nobody's to copy here. It defines ``VQA``
and ``GQA``: name of a rule -> function of a prediction and the ten answers (or the one) -> score.
"""

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

COUNT = 2000
WORDS = (
    "a an the A The none None zero one Two three ten 2 3 10 0 1,000 1,,000 2. 3.5 .5 2.0 5'8 "
    "50% $4 12:30 1/2 yes no Yes red blue dog dogs t-shirt tshirt T.V. TV u.s. cant can't dont "
    "don't wont couldntve couldnt've somebody'd somebodys whats what's its it's Im I'm Ive lets "
    "let's oclock o'clock y'all yall'dve 'twas twas 'ow's'at ow's'at aint mr. St. dog's cat's "
    'right/left black&white blue-green (red) [red] "red" red; red: red@home 3-2 7up C# no.1 '
    "café naïve 犬 ½"
).split()
MARKS = (".", ",", "?", "!", ";", ":", "/", "-", "'", '"', "...", "?!", ")", "(", "`", "_", "=", "")
BETWEEN = (*"    \t\n,-/.", *("  ", ", ", ",", " , ", ". ", " . ", " (", ") "))


def phrase(draw: Random) -> str:
    """Some words with marks about them."""
    text = draw.choice(WORDS)
    for _ in range(draw.choice((0, 0, 0, 1, 1, 2, 3))):
        text += draw.choice(BETWEEN) + draw.choice(WORDS)
    ends = draw.choice(("", "", "", " ", "\n")), draw.choice(("", "", *MARKS, " ", ". "))
    return ends[0] + text + ends[1]


def variant(text: str, draw: Random) -> str:
    """The same answer as someone else might write it."""
    changes: tuple[Callable[[str], str], ...] = (
        str.lower,
        str.strip,
        lambda t: t.rstrip(".?!,"),
        lambda t: f"{t}.",
        lambda t: f"the {t}",
        lambda t: t.replace("-", " "),
        lambda t: t.replace("'", ""),
        lambda t: t.replace(",", ""),
        lambda t: t.replace("two", "2").replace("one", "1"),
        lambda t: "".join(draw.choice(MARKS) if letter in MARKS else letter for letter in t),
        lambda t: t.replace(" ", draw.choice(BETWEEN)),
        lambda t: t,
        str.upper,
    )
    return draw.choice(changes)(text)


def make_cases(count: int, seed: int = 0) -> list[tuple[str, list[str]]]:
    """Predictions, each with ten answers that are more or less alike."""
    draw = Random(f"vqa answers {seed}")
    cases = []
    for _ in range(count):
        said = phrase(draw)
        alike = [said, variant(said, draw), variant(variant(said, draw), draw)]
        others = [phrase(draw) for _ in range(draw.choice((0, 1, 2, 3)))]
        share = draw.choice((0.1, 0.3, 0.5, 1.0)) if others else 1.0
        answers = [draw.choice(alike if draw.random() < share else others) for _ in range(10)]
        cases.append((variant(draw.choice(alike), draw), answers))
    return cases


def _grouped(answers: Sequence[str]) -> list[tuple[str, int]]:
    """Answers with how many gave them: a score does not know their order."""
    return [(answer, answers.count(answer)) for answer in dict.fromkeys(answers)]


def main(scorers: Path, out: Path) -> None:
    spec = importlib.util.spec_from_file_location("scorers", scorers)
    assert spec is not None
    assert spec.loader is not None
    published = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(published)
    lines = []
    for prediction, answers in make_cases(COUNT):
        vqa = {name: round(rule(prediction, answers), 6) for name, rule in published.VQA.items()}
        gqa = {name: rule(prediction, answers[0]) for name, rule in published.GQA.items()}
        row = [prediction, _grouped(answers), [*vqa.values()], [*map(int, gqa.values())]]
        lines.append(json.dumps(row, ensure_ascii=False))
    head = json.dumps({"vqa": list(published.VQA), "gqa": list(published.GQA)})
    out.write_text("[\n" + ",\n".join([head, *lines]) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
