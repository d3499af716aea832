"""GQA's kinds of questions about a scene, each with its answer and the program that finds it."""

from collections.abc import Callable
from dataclasses import dataclass

from harness_tasks.editions.mini.questions import indefinite, unique_by
from harness_tasks.editions.mini.scene import COLORS, SHAPES, SIZES, Draw, Scene, Thing

#: An operation, its argument, and the steps whose results it takes.
Step = tuple[str, str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question in GQA's terms."""

    text: str
    answer: str
    full: str
    detailed: str
    """GQA's name of the template."""
    semantic: str
    """What it is about: ``obj``, ``attr``, ``rel`` or ``global``."""
    about: str
    """Questions of one group have the same set of plausible answers."""
    program: list[Step]


def _pair(scene: Scene, draw: Draw) -> tuple[Thing, Thing] | None:
    """Two things, each the only one of its shape."""
    things = unique_by(scene, "shape")
    if len(things) < 2:
        return None
    first, second = draw.sample(things, 2)
    return first, second


def _select(thing: Thing) -> Step:
    return ("select", f"{thing.shape} ({thing.cell})", [])


def _this_or_other(words: tuple[str, ...], word: str, draw: Draw) -> str:
    return word if draw.chance(0.5) else _other(words, word, draw)


def _other(words: tuple[str, ...], word: str, draw: Draw) -> str:
    return draw.choice([other for other in words if other != word])


def _query_color(scene: Scene, draw: Draw) -> Asked | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    thing = draw.choice(things)
    return Asked(
        text=f"What color is the {thing.shape}?",
        answer=thing.color,
        full=f"The {thing.shape} is {thing.color}.",
        detailed="directOf",
        semantic="attr",
        about=f"{thing.shape}_color",
        program=[_select(thing), ("query", "color", [0])],
    )


def _query_shape(scene: Scene, draw: Draw) -> Asked | None:
    things = unique_by(scene, "color")
    if not things:
        return None
    thing = draw.choice(things)
    return Asked(
        text=f"What shape is the {thing.color} object?",
        answer=thing.shape,
        full=f"The {thing.color} object is {indefinite(thing.shape)}.",
        detailed="categoryAttr",
        semantic="attr",
        about="object_shape",
        program=[
            ("select", f"object ({thing.cell})", []),
            ("filter color", thing.color, [0]),
            ("query", "name", [1]),
        ],
    )


def _query_background(scene: Scene, draw: Draw) -> Asked | None:
    return Asked(
        text="What color is the background?",
        answer=scene.background,
        full=f"The background is {scene.background}.",
        detailed="place",
        semantic="global",
        about="background",
        program=[("select", "scene", []), ("query", "background", [0])],
    )


def _verify_exists(scene: Scene, draw: Draw) -> Asked | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    thing = draw.choice(things)
    color = _this_or_other(COLORS, thing.color, draw)
    is_right = color == thing.color
    return Asked(
        text=f"Is there a {color} {thing.shape}?",
        answer="yes" if is_right else "no",
        full=f"Yes, there is a {color} {thing.shape}."
        if is_right
        else f"No, there is {indefinite(thing.shape)} but it is {thing.color}.",
        detailed="existAttr",
        semantic="obj",
        about=f"exist-{thing.shape}",
        program=[_select(thing), ("filter color", color, [0]), ("exist", "?", [1])],
    )


def _verify_size(scene: Scene, draw: Draw) -> Asked | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    thing = draw.choice(things)
    size = _this_or_other(SIZES, thing.size, draw)
    answer = "yes" if size == thing.size else "no"
    return Asked(
        text=f"Is the {thing.shape} {size}?",
        answer=answer,
        full=f"{answer.title()}, the {thing.shape} is {thing.size}.",
        detailed="verifyAttr",
        semantic="attr",
        about=f"{thing.shape}_size",
        program=[_select(thing), ("verify size", size, [0])],
    )


def _verify_left(scene: Scene, draw: Draw) -> Asked | None:
    pair = _pair(scene, draw)
    if pair is None or pair[0].column == pair[1].column:
        return None
    first, second = pair
    is_left = first.column < second.column
    shown = f"the {first.shape} is {'left' if is_left else 'right'} of the {second.shape}."
    return Asked(
        text=f"Is the {first.shape} left of the {second.shape}?",
        answer="yes" if is_left else "no",
        full=f"Yes, {shown}" if is_left else f"No, {shown}",
        detailed="relVerify",
        semantic="rel",
        about=f"{first.shape}_{second.shape}",
        program=[
            _select(second),
            ("verify rel", f"{first.shape},to the left of,s ({first.cell})", [0]),
        ],
    )


def _logical_both(scene: Scene, draw: Draw) -> Asked | None:
    """Where the answer is no, one of the two is there."""
    return _logical(scene, draw, word="and", needed=2)


def _logical_either(scene: Scene, draw: Draw) -> Asked | None:
    """Where the answer is yes, one of the two is missing."""
    return _logical(scene, draw, word="or", needed=1)


def _logical(scene: Scene, draw: Draw, word: str, needed: int) -> Asked | None:
    first, second = draw.sample(SHAPES, 2)
    cells = {thing.shape: thing.cell for thing in scene.things}
    present = (first in cells) + (second in cells)
    if present not in {needed, needed - 1}:
        return None
    answer = "yes" if present == needed else "no"
    seen = " and ".join(
        f"there is {indefinite(shape) if shape in cells else f'no {shape}'}"
        for shape in (first, second)
    )
    return Asked(
        text=f"Is there {indefinite(first)} {word} {indefinite(second)}?",
        answer=answer,
        full=f"{answer.title()}, {seen}.",
        detailed="existAnd" if word == "and" else "existOr",
        semantic="obj",
        about=f"{word}-{first}_{second}",
        program=[
            ("select", f"{first} ({cells.get(first, '-')})", []),
            ("exist", "?", [0]),
            ("select", f"{second} ({cells.get(second, '-')})", []),
            ("exist", "?", [2]),
            (word, "", [1, 3]),
        ],
    )


def _compare_colors(scene: Scene, draw: Draw) -> Asked | None:
    pair = _pair(scene, draw)
    if pair is None:
        return None
    first, second = pair
    are_same = first.color == second.color
    return Asked(
        text=f"Do the {first.shape} and the {second.shape} have the same color?",
        answer="yes" if are_same else "no",
        full=f"Yes, both are {first.color}."
        if are_same
        else f"No, the {first.shape} is {first.color} and the {second.shape} is {second.color}.",
        detailed="twoSame",
        semantic="attr",
        about=f"{first.shape}_{second.shape}_color",
        program=[_select(first), _select(second), ("same color", "", [0, 1])],
    )


def _compare_sizes(scene: Scene, draw: Draw) -> Asked | None:
    pair = _pair(scene, draw)
    if pair is None or pair[0].size == pair[1].size:
        return None
    first, second = pair
    larger = first if first.size == "large" else second
    return Asked(
        text=f"Which is larger, the {first.shape} or the {second.shape}?",
        answer=larger.shape,
        full=f"The {larger.shape} is larger.",
        detailed="comparativeChoose",
        semantic="attr",
        about=f"{first.shape}_{second.shape}_size",
        program=[_select(first), _select(second), ("choose larger", "", [0, 1])],
    )


def _choose_color(scene: Scene, draw: Draw) -> Asked | None:
    return _choose(scene, draw, "color", COLORS)


def _choose_size(scene: Scene, draw: Draw) -> Asked | None:
    return _choose(scene, draw, "size", SIZES)


def _choose(scene: Scene, draw: Draw, attribute: str, words: tuple[str, ...]) -> Asked | None:
    things = unique_by(scene, "shape")
    if not things:
        return None
    thing = draw.choice(things)
    value: str = getattr(thing, attribute)
    offered = draw.sample((value, _other(words, value, draw)), 2)
    return Asked(
        text=f"Is the {thing.shape} {offered[0]} or {offered[1]}?",
        answer=value,
        full=f"The {thing.shape} is {value}.",
        detailed="chooseAttr",
        semantic="attr",
        about=f"{thing.shape}_{attribute}",
        program=[_select(thing), (f"choose {attribute}", "|".join(offered), [0])],
    )


Template = Callable[[Scene, Draw], Asked | None]
#: By GQA's structural type.
TEMPLATES: dict[str, tuple[Template, ...]] = {
    "query": (_query_color, _query_shape, _query_background),
    "verify": (_verify_exists, _verify_size, _verify_left),
    "logical": (_logical_both, _logical_either),
    "compare": (_compare_colors, _compare_sizes),
    "choose": (_choose_color, _choose_size),
}
