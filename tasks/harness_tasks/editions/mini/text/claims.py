"""Claims about a scene: sentences with one slot, what makes them true and what makes them false.

Running text states them, multiple-choice items offer them beside false ones, questions turn them
into yes or no, and cloze items leave the slot open. All follow from a report that tells of every
thing's place, size, texture, color and shape.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from harness_tasks.editions.mini.questions import PLACES, plural
from harness_tasks.editions.mini.scene import (
    BACKGROUNDS,
    COLORS,
    SHAPES,
    SIZES,
    TEXTURES,
    Draw,
    Scene,
    Thing,
)

NUMBERS = ("zero", "one", "two", "three", "four")
#: Attributes that a name may tell, shortest names first; a place fits one thing only.
_NAMINGS = (("shape",), ("color", "shape"), ("color",), ("size", "shape"), ("cell", "shape"))


@dataclass(frozen=True, slots=True)
class Claim:
    """A lower-case sentence with a slot ``{}``."""

    frame: str
    answer: str
    """Fills the slot truly."""
    others: tuple[str, ...]
    """Each fills it falsely; in random order."""

    def saying(self, filler: str) -> str:
        return self.frame.format(filler)


def spot(cell: int) -> str:
    """Where a thing in that cell stands: ``at the top left``."""
    place = PLACES[cell]
    return "in the center" if place == "center" else f"at the {place}"


def with_article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def directions(thing: Thing, other: Thing) -> list[str]:
    """How `thing` stands to `other`: one or two of left of, right of, above, below."""
    holds = {
        "left of": thing.column < other.column,
        "right of": thing.column > other.column,
        "above": thing.row < other.row,
        "below": thing.row > other.row,
    }
    return [words for words, true in holds.items() if true]


def names(thing: Thing, scene: Scene, hidden: str) -> list[str]:
    """Names that fit this thing alone and do not tell the attribute `hidden`, shortest first."""
    found = []
    for attributes in _NAMINGS:
        told = [attribute for attribute in attributes if attribute != hidden]
        alike = [
            other
            for other in scene.things
            if all(getattr(other, attribute) == getattr(thing, attribute) for attribute in told)
        ]
        if told and len(alike) == 1:
            found.append(_name(thing, told))
    return found


def _name(thing: Thing, told: Sequence[str]) -> str:
    adjectives = [getattr(thing, attribute) for attribute in told if attribute in ("size", "color")]
    noun = thing.shape if "shape" in told else "thing"
    place = [spot(thing.cell)] if "cell" in told else []
    return " ".join(["the", *adjectives, noun, *place])


def _named(scene: Scene, hidden: str, draw: Draw) -> Iterator[tuple[Thing, str]]:
    """Things in random order, each with one of its two shortest names.

    All have one unless the cell is hidden: then things that look like another one are left out.
    """
    for thing in draw.sample(scene.things, len(scene.things)):
        fitting = names(thing, scene, hidden)
        if fitting:
            yield thing, draw.choice(fitting[:2])


def _claim(frame: str, answer: str, fillers: Sequence[str], draw: Draw) -> Claim:
    """A claim whose false fillers are all other ones, in random order."""
    wrong = [filler for filler in fillers if filler != answer]
    return Claim(frame, answer, tuple(draw.sample(wrong, len(wrong))))


def _color(scene: Scene, draw: Draw) -> Claim:
    thing, name = next(_named(scene, "color", draw))
    return _claim(f"the color of {name} is {{}}", thing.color, COLORS, draw)


def _size(scene: Scene, draw: Draw) -> Claim:
    thing, name = next(_named(scene, "size", draw))
    return _claim(f"the size of {name} is {{}}", thing.size, SIZES, draw)


def _texture(scene: Scene, draw: Draw) -> Claim:
    thing, name = next(_named(scene, "texture", draw))
    return _claim(f"the surface of {name} is {{}}", thing.texture, TEXTURES, draw)


def _place(scene: Scene, draw: Draw) -> Claim | None:
    thing, name = next(_named(scene, "cell", draw), (None, ""))
    if thing is None:
        return None
    spots = [spot(cell) for cell in range(len(PLACES))]
    return _claim(f"{name} stands {{}}", spot(thing.cell), spots, draw)


def _shape(scene: Scene, draw: Draw) -> Claim:
    thing, name = next(_named(scene, "shape", draw))
    return _which(f"{name} is {{}}", thing, draw)


def _which(frame: str, thing: Thing, draw: Draw) -> Claim:
    """A claim of what shape that thing is."""
    shapes = [with_article(shape) for shape in SHAPES]
    return _claim(frame, with_article(thing.shape), shapes, draw)


def _only(scene: Scene, draw: Draw) -> Claim | None:
    """The one thing of a size, a texture or a color."""
    alone = [
        (word, thing)
        for attribute in ("size", "texture", "color")
        for word, count in Counter(getattr(t, attribute) for t in scene.things).items()
        for thing in scene.things
        if count == 1 and getattr(thing, attribute) == word
    ]
    if not alone:
        return None
    word, thing = draw.choice(alone)
    return _which(f"the only {word} thing is {{}}", thing, draw)


def _twin(scene: Scene, draw: Draw) -> Claim | None:
    """The one other thing of a thing's color."""
    for thing, name in _named(scene, "color", draw):
        twins = [t for t in scene.things if t.color == thing.color and t is not thing]
        if len(twins) == 1:
            frame = f"the thing of the same color as {name} is {{}}"
            return _which(frame, twins[0], draw)
    return None


def _pair(
    scene: Scene, hidden: str, draw: Draw, fits: Callable[[Thing, Thing], bool]
) -> tuple[Thing, str, Thing, str] | None:
    """Two named things for which `fits` holds."""
    for (a, its_name), (b, other_name) in permutations(_named(scene, hidden, draw), 2):
        if fits(a, b):
            return a, its_name, b, other_name
    return None


def _relation(scene: Scene, draw: Draw) -> Claim | None:
    """In one row or column, so that exactly one of the four directions holds."""
    pair = _pair(scene, "cell", draw, lambda a, b: len(directions(a, b)) == 1)
    if pair is None:
        return None
    a, its_name, b, other_name = pair
    fillers = ("left of", "right of", "above", "below")
    frame = f"{its_name} is {{}} {other_name}"
    return _claim(frame, directions(a, b)[0], fillers, draw)


def _slanting(scene: Scene, draw: Draw) -> Claim | None:
    """In different rows and columns: one of the two directions that hold, against its opposite."""
    pair = _pair(scene, "cell", draw, lambda a, b: len(directions(a, b)) == 2)
    if pair is None:
        return None
    a, its_name, b, other_name = pair
    axis = draw.below(2)
    frame = f"{its_name} is {{}} {other_name}"
    return Claim(frame, directions(a, b)[axis], (directions(b, a)[axis],))


def _larger(scene: Scene, draw: Draw) -> Claim | None:
    pair = _pair(scene, "size", draw, lambda a, b: a is not b)
    if pair is None:
        return None
    a, its_name, b, other_name = pair
    order = SIZES.index(a.size) - SIZES.index(b.size)
    fillers = ("as large as", "larger than", "smaller than")
    return _claim(f"{its_name} is {{}} {other_name}", fillers[order], fillers, draw)


def _same_color(scene: Scene, draw: Draw) -> Claim | None:
    wanted = draw.chance(0.5)
    pair = _pair(scene, "color", draw, lambda a, b: (a.color == b.color) == wanted)
    if pair is None:
        return None
    a, its_name, b, other_name = pair
    fillers = ("different colors", "the same color")
    frame = f"{its_name} and {other_name} have {{}}"
    return _claim(frame, fillers[a.color == b.color], fillers, draw)


def _count_color(scene: Scene, draw: Draw) -> Claim:
    color = draw.choice(scene.things).color if draw.chance(0.8) else draw.choice(COLORS)
    return _count(f"{color} things", sum(thing.color == color for thing in scene.things), draw)


def _count_shape(scene: Scene, draw: Draw) -> Claim:
    shape = draw.choice(scene.things).shape if draw.chance(0.8) else draw.choice(SHAPES)
    return _count(plural(shape), sum(thing.shape == shape for thing in scene.things), draw)


def _count_size(scene: Scene, draw: Draw) -> Claim:
    size = draw.choice(SIZES)
    return _count(f"{size} things", sum(thing.size == size for thing in scene.things), draw)


def _count(what: str, count: int, draw: Draw) -> Claim:
    return _claim(f"the number of {what} is {{}}", NUMBERS[count], NUMBERS, draw)


def _background(scene: Scene, draw: Draw) -> Claim:
    return _claim("the background is {}", scene.background, BACKGROUNDS, draw)


_TEMPLATES: tuple[Callable[[Scene, Draw], Claim | None], ...] = (
    _color,
    _color,
    _size,
    _texture,
    _place,
    _shape,
    _shape,
    _only,
    _twin,
    _relation,
    _slanting,
    _larger,
    _same_color,
    _count_color,
    _count_shape,
    _count_size,
    _background,
)


def claim(scene: Scene, draw: Draw, fits: Callable[[Claim], bool] = lambda _: True) -> Claim:
    """Draw templates until one has something to say that `fits`."""
    while True:
        found = draw.choice(_TEMPLATES)(scene, draw)
        if found is not None and fits(found):
            return found


def claims(scene: Scene, draw: Draw, count: int) -> list[Claim]:
    """`count` different ones."""
    found: dict[str, Claim] = {}
    while len(found) < count:
        drawn = claim(scene, draw)
        found.setdefault(drawn.frame, drawn)
    return list(found.values())
