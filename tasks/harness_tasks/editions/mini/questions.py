"""Questions about a scene, their answers, and ten annotators who mostly agree.

Every template first draws the answer it wants and then arguments that make it true, so that
no answer of a template is much more common than the others and a blind model cannot guess.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness_tasks.editions.mini.scene import (
    BACKGROUNDS,
    COLORS,
    GRID,
    SHAPES,
    SIZES,
    TEXTURES,
    Draw,
    Scene,
    Thing,
)

AnswerType = Literal["yes/no", "number", "other"]
ANNOTATORS = 10
#: With four right answers of ten the right one scores 1 under every profile of VQA accuracy.
MIN_RIGHT = 4
PLACES = (
    "top left", "top", "top right",
    "left", "center", "right",
    "bottom left", "bottom", "bottom right",
)  # fmt: skip
SYNONYMS = {
    "circle": "ball",
    "square": "box",
    "triangle": "pyramid",
    "star": "flower",
    "cross": "plus",
    "ring": "donut",
    "heart": "valentine",
    "arrow": "pointer",
}


@dataclass(frozen=True, slots=True)
class Question:
    """`question_type` is the template's opening words, as in the VQA annotations."""

    text: str
    answer: str
    answer_type: AnswerType
    question_type: str
    agreement: float
    """Probability that one annotator gives the right answer."""


def plural(shape: str) -> str:
    return shape + ("es" if shape == "cross" else "s")


def indefinite(noun: str) -> str:
    """The noun with its article."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def unique_by(scene: Scene, attribute: str) -> list[Thing]:
    counts = Counter(getattr(thing, attribute) for thing in scene.things)
    return [thing for thing in scene.things if counts[getattr(thing, attribute)] == 1]


def _is_there(scene: Scene, draw: Draw) -> Question | None:
    seen = {(thing.color, thing.shape) for thing in scene.things}
    if draw.chance(0.5):
        color, shape = draw.choice(sorted(seen))
    else:
        # A near miss: a thing of the scene with another colour or another shape.
        thing = draw.choice(scene.things)
        near = [(color, thing.shape) for color in COLORS] + [(thing.color, s) for s in SHAPES]
        color, shape = draw.choice([pair for pair in near if pair not in seen])
    answer = "yes" if (color, shape) in seen else "no"
    text = f"Is there a {color} {shape}?"
    return Question(text, answer, "yes/no", "is there a", 0.95)


def _is_size(scene: Scene, draw: Draw) -> Question | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    thing, size = draw.choice(things), draw.choice(SIZES)
    answer = "yes" if thing.size == size else "no"
    return Question(f"Is the {thing.shape} {size}?", answer, "yes/no", "is the", 0.9)


def _is_left(scene: Scene, draw: Draw) -> Question | None:
    things = unique_by(scene, "shape")
    pairs = [(a, b) for a in things for b in things if a.column != b.column]
    if not pairs:
        return None
    a, b = draw.choice(pairs)
    answer = "yes" if a.column < b.column else "no"
    return Question(f"Is the {a.shape} left of the {b.shape}?", answer, "yes/no", "is the", 0.88)


def _are_there_more(scene: Scene, draw: Draw) -> Question | None:
    counts = Counter(thing.shape for thing in scene.things)
    want_yes = draw.chance(0.5)
    present = sorted(counts)
    x, y = draw.choice(present), draw.choice(SHAPES)
    if not want_yes:
        x, y = y, x
    if counts[x] == counts[y] or x == y:
        return None
    answer = "yes" if counts[x] > counts[y] else "no"
    text = f"Are there more {plural(x)} than {plural(y)}?"
    return Question(text, answer, "yes/no", "are there more", 0.88)


def _count_objects(scene: Scene, draw: Draw) -> Question | None:
    answer = str(len(scene.things))
    return Question("How many objects are there?", answer, "number", "how many", 0.93)


def _count_color(scene: Scene, draw: Draw) -> Question | None:
    counts = Counter(thing.color for thing in scene.things)
    color = _of_wanted_count(counts, COLORS, draw)
    answer = str(counts[color])
    return Question(f"How many {color} objects are there?", answer, "number", "how many", 0.9)


def _count_shape(scene: Scene, draw: Draw) -> Question | None:
    counts = Counter(thing.shape for thing in scene.things)
    shape = _of_wanted_count(counts, SHAPES, draw)
    text = f"How many {plural(shape)} are there?"
    return Question(text, str(counts[shape]), "number", "how many", 0.9)


def _of_wanted_count(counts: Counter[str], words: tuple[str, ...], draw: Draw) -> str:
    """Draw a count first, then a word that has it; 0, 1 and more come about equally often."""
    offered = sorted({counts[word] for word in words})
    plenty = offered[-1] > 1 and draw.chance(0.6)
    wanted = offered[-1] if plenty else offered[draw.chance(0.6)]
    return draw.choice([word for word in words if counts[word] == wanted])


def _color_of(scene: Scene, draw: Draw) -> Question | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    thing = draw.choice(things)
    text = f"What color is the {thing.shape}?"
    return Question(text, thing.color, "other", "what color is the", 0.92)


def _shape_of(scene: Scene, draw: Draw) -> Question | None:
    things = unique_by(scene, "color")
    if not things:
        return None
    thing = draw.choice(things)
    text = f"What shape is the {thing.color} object?"
    return Question(text, thing.shape, "other", "what shape is the", 0.9)


def _neighbour(scene: Scene, draw: Draw) -> Question | None:
    """Ask for what stands right beside or right above a thing."""
    by_cell = {thing.cell: thing for thing in scene.things}
    pairs = [
        (words, by_cell[cell], thing)
        for thing in unique_by(scene, "shape")
        for words, cell, beside in (
            ("left of", thing.cell - 1, thing.column > 0),
            ("right of", thing.cell + 1, thing.column < GRID - 1),
            ("above", thing.cell - GRID, thing.row > 0),
            ("below", thing.cell + GRID, thing.row < GRID - 1),
        )
        if beside and cell in by_cell
    ]
    if not pairs:
        return None
    words, answer, thing = draw.choice(pairs)
    text = f"What is {words} the {thing.shape}?"
    return Question(text, answer.shape, "other", "what is", 0.85)


def _where_is(scene: Scene, draw: Draw) -> Question | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    thing = draw.choice(things)
    text = f"Where is the {thing.shape}?"
    return Question(text, PLACES[thing.cell], "other", "where is the", 0.85)


def _background(scene: Scene, draw: Draw) -> Question | None:
    text = "What color is the background?"
    return Question(text, scene.background, "other", "what color is the", 0.95)


def _texture_of(scene: Scene, draw: Draw) -> Question | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    texture = draw.choice(TEXTURES)
    wanted = [thing for thing in things if thing.texture == texture]
    thing = draw.choice(wanted or things)
    text = f"What texture does the {thing.shape} have?"
    return Question(text, thing.texture, "other", "what", 0.93)


Template = Callable[[Scene, Draw], Question | None]
TEMPLATES: dict[AnswerType, tuple[Template, ...]] = {
    "yes/no": (_is_there, _is_there, _is_size, _is_left, _are_there_more),
    "number": (_count_objects, _count_color, _count_shape),
    "other": (
        _color_of,
        _color_of,
        _shape_of,
        _shape_of,
        _neighbour,
        _where_is,
        _background,
        _texture_of,
    ),
}


def ask(scene: Scene, answer_type: AnswerType, draw: Draw) -> Question:
    """Draw templates of that type until one fits the scene."""
    while True:
        question = draw.choice(TEMPLATES[answer_type])(scene, draw)
        if question is not None:
            return question


def annotate(question: Question, draw: Draw) -> list[str]:
    """Ten answers, in random order; at least `MIN_RIGHT` of them right."""
    right = [draw.chance(question.agreement) for _ in range(ANNOTATORS)]
    for index in draw.sample(range(ANNOTATORS), MIN_RIGHT):
        right[index] = True
    return [question.answer if ok else _confuse(question, draw) for ok in right]


def _confuse(question: Question, draw: Draw) -> str:
    """A mistake a person would make: the neighbouring value, or another word for the same."""
    answer = question.answer
    if question.answer_type == "yes/no":
        return "no" if answer == "yes" else "yes"
    if question.answer_type == "number":
        return str(max(0, int(answer) + (1 if draw.chance(0.5) else -1)))
    if answer in SYNONYMS:
        return SYNONYMS[answer] if draw.chance(0.6) else draw.choice(SHAPES)
    for words in (COLORS, BACKGROUNDS, PLACES):
        if answer in words:
            return words[(words.index(answer) + 1) % len(words)]
    return TEXTURES[1 - TEXTURES.index(answer)]
