"""OK-VQA: questions whose answer is not in the scene alone, but in what people know of it.

Marino et al., "OK-VQA: A Visual Question Answering Benchmark Requiring External Knowledge", CVPR
2019. Five annotators, each counted twice, and question types "one" to "ten" and "other" by field
of knowledge, as in the official files. No bundled model was shown such questions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness_tasks.editions.mini.folders import INFO, dump_json, write_images
from harness_tasks.editions.mini.questions import PLACES, unique_by
from harness_tasks.editions.mini.scene import Draw, Scene, Thing, draw_scene
from harness_tasks.editions.mini.splits import draw_new

QUESTIONS = 200
ANNOTATORS = 5
#: Most of them, so that no mistake outweighs the right answer.
MIN_RIGHT = 3
AGREEMENT = 0.8
FIELDS = {
    "one": "Vehicles and Transportation",
    "three": "Objects, Material and Clothing",
    "four": "Sports and Recreation",
    "five": "Cooking and Food",
    "seven": "People and Everyday Life",
    "eight": "Plants and Animals",
    "nine": "Science and Technology",
    "ten": "Weather and Climate",
}

#: As they are drawn; a heart's are a matter of taste.
CORNERS = {"circle": 0, "ring": 0, "triangle": 3, "square": 4, "arrow": 7, "star": 10, "cross": 12}
ROLLING = ("circle", "ring")
FRUITS = {
    "red": ("cherry", "strawberry", "apple"),
    "green": ("lime", "pear", "kiwi"),
    "blue": ("blueberry",),
    "yellow": ("banana", "lemon"),
    "purple": ("plum", "grape"),
    "white": ("coconut", "lychee"),
    "pink": ("peach", "grapefruit"),
}
ANIMALS = {
    "gray": ("elephant", "mouse"),
    "black": ("crow", "panther"),
    "brown": ("bear", "horse"),
}
MIXED = {
    frozenset({"red", "blue"}): "purple",
    frozenset({"red", "yellow"}): "orange",
    frozenset({"red", "white"}): "pink",
    frozenset({"blue", "yellow"}): "green",
}
#: Shape -> what it is known for, and the field of that knowledge.
KNOWN_FOR = {
    "circle": ("can roll like a ball", "four"),
    "square": ("looks like a window", "three"),
    "triangle": ("looks like a roof", "three"),
    "star": ("is seen in the sky at night", "ten"),
    "cross": ("is a sign of addition", "nine"),
    "ring": ("is worn on a finger", "three"),
    "heart": ("stands for love", "seven"),
    "arrow": ("shows the way", "one"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """`answers` are all right, the first is the most common; `wrong` are mistakes people make."""

    text: str
    field: str
    answers: tuple[str, ...]
    wrong: tuple[str, ...]


def _corners(scene: Scene, draw: Draw) -> Question | None:
    color = draw.choice(scene.things).color
    shapes = [thing.shape for thing in scene.things if thing.color == color]
    if "heart" in shapes:
        return None
    total = sum(CORNERS[shape] for shape in shapes)
    text = f"How many corners do the {color} objects have in all?"
    return Question(text, "nine", (str(total),), (str(total + 1), str(max(0, total - 1))))


def _rolling(scene: Scene, draw: Draw) -> Question | None:
    count = sum(thing.shape in ROLLING for thing in scene.things)
    text = "How many objects are there that can roll?"
    return Question(text, "four", (str(count),), (str(count + 1), str(len(scene.things))))


def _fruit(scene: Scene, draw: Draw) -> Question | None:
    things = [thing for thing in unique_by(scene, "shape") if thing.color in FRUITS]
    if not things:
        return None
    thing = draw.choice(things)
    text = f"Which fruit has the color of the {thing.shape}?"
    return Question(text, "five", FRUITS[thing.color], ("tomato", "orange"))


def _animal(scene: Scene, draw: Draw) -> Question | None:
    if scene.background not in ANIMALS:
        return None
    text = "Which animal has the color of the background?"
    return Question(text, "eight", ANIMALS[scene.background], ("cat", "dog"))


def _mixture(scene: Scene, draw: Draw) -> Question | None:
    things = unique_by(scene, "shape")
    pairs = [(a, b) for a in things for b in things if frozenset({a.color, b.color}) in MIXED]
    if not pairs:
        return None
    a, b = draw.choice(pairs)
    text = f"What color do you get when you mix those of the {a.shape} and the {b.shape}?"
    return Question(text, "nine", (MIXED[frozenset({a.color, b.color})],), ("brown", "gray"))


def _known(scene: Scene, draw: Draw, start: str, answer: Callable[[Thing], str]) -> Question | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    thing = draw.choice(things)
    known_for, field = KNOWN_FOR[thing.shape]
    others = tuple(answer(other) for other in scene.things if answer(other) != answer(thing))
    text = f"{start} the object that {known_for}?"
    return Question(text, field, (answer(thing),), others or ("nothing",))


def _known_color(scene: Scene, draw: Draw) -> Question | None:
    return _known(scene, draw, "What color is", lambda thing: thing.color)


def _known_shape(scene: Scene, draw: Draw) -> Question | None:
    return _known(scene, draw, "What shape is", lambda thing: thing.shape)


def _known_place(scene: Scene, draw: Draw) -> Question | None:
    return _known(scene, draw, "Where is", lambda thing: PLACES[thing.cell])


TEMPLATES = (
    *(_corners, _rolling, _fruit, _animal, _mixture),
    *(_known_color, _known_shape, _known_place),
)


def draw_okvqa(seen: set[str]) -> list[Scene]:
    draw = Draw("okvqa")
    return [draw_new(draw_scene, draw, seen) for _ in range(QUESTIONS)]


def write_okvqa(folder: Path, scenes: list[Scene]) -> None:
    """OK-VQA's questions and annotations files and the images under ``val2014/``."""
    write_images(folder / "val2014", scenes, "COCO_val2014_{:012d}.png")
    draw = Draw("okvqa questions")
    questions: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes, start=1):
        question = _ask(scene, draw)
        key = {"image_id": image_id, "question_id": image_id * 10 + 5}
        questions.append({**key, "question": question.text})
        annotations.append(
            {
                **key,
                "question_type": question.field,
                "answer_type": "other",
                "confidence": 5,
                "answers": _annotate(question, draw),
            }
        )
    header = {"info": INFO, "license": {}, "data_type": "mscoco", "data_subtype": "val2014"}
    dump_json(
        folder / "OpenEnded_mscoco_val2014_questions.json",
        {**header, "task_type": "Open-Ended", "questions": questions},
    )
    dump_json(
        folder / "mscoco_val2014_annotations.json",
        {**header, "question_types": FIELDS, "annotations": annotations},
    )


def _ask(scene: Scene, draw: Draw) -> Question:
    """Draw templates until one fits the scene."""
    while True:
        question = draw.choice(TEMPLATES)(scene, draw)
        if question is not None:
            return question


def _annotate(question: Question, draw: Draw) -> list[dict[str, Any]]:
    """Five people's answers, each listed twice; a raw answer may be a phrase."""
    best = [draw.chance(AGREEMENT) for _ in range(ANNOTATORS)]
    for index in draw.sample(range(ANNOTATORS), MIN_RIGHT):
        best[index] = True
    others = question.answers[1:] or question.wrong
    given = [question.answers[0] if right else draw.choice(others) for right in best]
    raw = [f"the {answer}" if draw.chance(0.1) else answer for answer in given]
    return [
        {
            "answer_id": number,
            "raw_answer": raw[index],
            "answer_confidence": "yes",
            "answer": given[index],
        }
        for number, index in enumerate(
            (index for index in range(ANNOTATORS) for _ in range(2)), start=1
        )
    ]
