"""NLVR2: is a sentence about two images true?

Suhr et al., "A Corpus for Reasoning about Natural Language Grounded in Photographs", ACL 2019.
Every sentence stands beside one pair of images that it is true of and one that it is not, so that
the words alone say nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness_tasks.editions.mini.folders import write_image
from harness_tasks.editions.mini.questions import indefinite, plural
from harness_tasks.editions.mini.scene import (
    BACKGROUNDS,
    COLORS,
    SHAPES,
    Draw,
    Scene,
    draw_scene,
)

SPLIT = "test1"
SENTENCES = 100
NUMBERS = ("one", "two", "three", "four")

Truth = Callable[[Scene, Scene], bool]


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence and two pairs of images, (left, right); it is true of the first pair only."""

    sentence: str
    true_of: tuple[Scene, Scene]
    false_of: tuple[Scene, Scene]


def _count(scene: Scene, shape: str = "", color: str = "") -> int:
    return sum(shape in {thing.shape, ""} and color in {thing.color, ""} for thing in scene.things)


def _each_shows(draw: Draw) -> tuple[str, Truth]:
    shape = draw.choice(SHAPES)
    return (
        f"There is {indefinite(shape)} in each image.",
        lambda left, right: _count(left, shape) > 0 < _count(right, shape),
    )


def _none_shows(draw: Draw) -> tuple[str, Truth]:
    color = draw.choice(COLORS)
    return (
        f"Neither image shows a {color} object.",
        lambda left, right: _count(left, color=color) == 0 == _count(right, color=color),
    )


def _one_shows(draw: Draw) -> tuple[str, Truth]:
    shape, color = draw.choice(SHAPES), draw.choice(COLORS)
    return (
        f"At least one of the images shows a {color} {shape}.",
        lambda left, right: _count(left, shape, color) + _count(right, shape, color) > 0,
    )


def _left_counts(draw: Draw) -> tuple[str, Truth]:
    count = 1 + draw.below(len(NUMBERS))
    return (
        f"The left image contains exactly {NUMBERS[count - 1]} object{'s' * (count > 1)}.",
        lambda left, _right: len(left.things) == count,
    )


def _together(draw: Draw) -> tuple[str, Truth]:
    color, count = draw.choice(COLORS), 2 + draw.below(2)
    return (
        f"There are exactly {NUMBERS[count - 1]} {color} objects in the two images.",
        lambda left, right: _count(left, color=color) + _count(right, color=color) == count,
    )


def _more(draw: Draw) -> tuple[str, Truth]:
    shape = draw.choice(SHAPES)
    return (
        f"There are more {plural(shape)} in the left image than in the right image.",
        lambda left, right: _count(left, shape) > _count(right, shape),
    )


def _background(draw: Draw) -> tuple[str, Truth]:
    color = draw.choice(BACKGROUNDS)
    return (
        f"The right image has {indefinite(color)} background.",
        lambda _left, right: right.background == color,
    )


def _same_background(draw: Draw) -> tuple[str, Truth]:
    return (
        "Both images have the same background.",
        lambda left, right: left.background == right.background,
    )


TEMPLATES = (
    *(_each_shows, _none_shows, _one_shows, _left_counts),
    *(_together, _more, _background, _same_background),
)


def draw_nlvr2(seen: set[str]) -> list[Judged]:
    draw = Draw("nlvr2")
    judged = []
    for _ in range(SENTENCES):
        sentence, truth = draw.choice(TEMPLATES)(draw)
        true_of = _draw_pair(truth, draw, seen)
        false_of = _draw_pair(partial(_untrue, truth), draw, seen)
        judged.append(Judged(sentence, true_of, false_of))
    return judged


def _untrue(truth: Truth, left: Scene, right: Scene) -> bool:
    return not truth(left, right)


def _draw_pair(wanted: Truth, draw: Draw, seen: set[str]) -> tuple[Scene, Scene]:
    """Draw two scenes not in `seen` that are as wanted; add them."""
    while True:
        left, right = draw_scene(draw), draw_scene(draw)
        digests = {left.digest, right.digest}
        if wanted(left, right) and len(digests) == 2 and not digests & seen:
            seen |= digests
            return left, right


def write_nlvr2(folder: Path, judged: list[Judged]) -> None:
    """``test1.json``, a JSON object a line, and ``test1/test1-<set>-<pair>-img<0 or 1>.png``."""
    rows = []
    for number, item in enumerate(judged):
        # Which of the two pairs comes first says nothing either.
        first_is_true = number % 2 == 0
        pairs = [item.true_of, item.false_of] if first_is_true else [item.false_of, item.true_of]
        for index, pair in enumerate(pairs):
            key = f"{SPLIT}-{number}-{index}"
            for side, scene in enumerate(pair):
                write_image(folder / SPLIT / f"{key}-img{side}.png", scene)
            label = str(pair is item.true_of)
            rows.append(
                {
                    "validation": {"0": label},
                    "sentence": item.sentence,
                    "left_url": f"https://mini.invalid/{key}-img0.png",
                    "writer": "0",
                    "label": label,
                    "right_url": f"https://mini.invalid/{key}-img1.png",
                    "synset": "shape",
                    "query": f"shapes{number}",
                    "identifier": f"{key}-0",
                    "extra_validations": {},
                }
            )
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{SPLIT}.json").write_text(text, encoding="utf-8")
