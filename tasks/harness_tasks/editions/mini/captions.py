"""Captions of a scene by writers with habits of their own, and the dense training description."""

from dataclasses import dataclass

from harness_tasks.editions.mini.questions import PLACES
from harness_tasks.editions.mini.scene import Draw, Scene, Thing

#: Two words for the same; a writer keeps to one of them.
SYNONYMS = {
    "circle": ("circle", "ball"),
    "square": ("square", "box"),
    "cross": ("cross", "plus"),
    "ring": ("ring", "hoop"),
    "large": ("large", "big"),
    "small": ("small", "little"),
}
SHORTEST, LONGEST = 8, 14
ATTEMPTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """One writer's habits; a number is the probability of doing it for a thing or a caption."""

    openings: tuple[str, ...] = ("",)
    closings: tuple[str, ...] = ("on a {} background",)
    """Ways to name the background; ``{}`` is its color."""
    large_first: float = 0.8
    """Large things first; otherwise things in any order."""
    most: int = 2
    """How many things get a mention of their own."""
    size: float = 0.5
    color: float = 0.9
    texture: float = 0.7
    place: float = 0.1
    relation: float = 0.5
    synonym: int = 0
    """0 or 1: which word of `SYNONYMS`."""


_THERE = ("there is", "here is", "you can see")
_PICTURE = ("a picture of", "an image of", "a drawing of", "a photo with")
_BEHIND = ("with {} behind", "on {}", "in front of a {} wall")
WRITERS = (
    Writer(size=0.8),
    Writer(openings=_THERE, size=0.3, most=3, large_first=0.3),
    Writer(openings=_PICTURE, closings=_BEHIND, synonym=1),
    Writer(closings=("against a {} background", "on a {} background"), most=3, texture=0.9),
    Writer(openings=("an image showing", "this shows"), closings=_BEHIND, relation=0.9),
    Writer(size=0.9, place=0.7, most=1),
    Writer(openings=("we see", "i see"), closings=_BEHIND, synonym=1, relation=0.8, place=0.4),
    Writer(closings=("on a {} surface", "on a {} floor"), most=3, size=0.2, large_first=0.2),
    Writer(openings=_PICTURE, size=0.7, place=0.4, color=0.6),
    Writer(openings=_THERE, closings=("and the background is {}", "and all behind is {}")),
    Writer(openings=("", *_THERE), closings=("on a plain {} background", "on a {} background")),
)
#: Writers for retrieval: they name every thing with nearly all that tells it from others.
PRECISE = tuple(
    Writer(
        openings=openings,
        closings=closings,
        most=4,
        size=0.8,
        color=1,
        texture=1,
        place=0.4,
        synonym=synonym,
    )
    for openings, closings, synonym in (
        (("",), ("on a {} background",), 0),
        (_THERE, ("and the background is {}",), 0),
        (_PICTURE, _BEHIND, 1),
        (("an image showing", "this shows"), ("against a {} background",), 0),
        (("we see", "i see"), ("on a {} surface", "on a {} floor"), 1),
    )
)


def write(scene: Scene, writer: Writer, draw: Draw, longest: int = LONGEST) -> str:
    """One caption of 8 to `longest` words, lower case."""
    for attempt in range(ATTEMPTS):
        # The later the attempt, the more a short scene is told of and the fewer things it names.
        text = _compose(scene, writer, draw, most=max(1, writer.most - attempt // 3))
        if SHORTEST <= len(text.split()) <= longest:
            return text
    thorough = Writer(size=1, color=1, texture=1, place=1, most=1, synonym=writer.synonym)
    return _compose(scene, thorough, draw, most=1)


def _compose(scene: Scene, writer: Writer, draw: Draw, most: int) -> str:
    things = draw.sample(scene.things, len(scene.things))
    if draw.chance(writer.large_first):
        things.sort(key=lambda thing: thing.size != "large")
    named, left_out = things[:most], len(things) - most
    words = [draw.choice(writer.openings)]
    for previous, thing in zip([None, *named], named, strict=False):
        if previous is not None:
            words.append(relation(previous, thing) if draw.chance(writer.relation) else "and")
        words.append(_phrase(thing, writer, draw))
    if left_out > 0 and draw.chance(0.5):
        words.append("and another shape" if left_out == 1 else "and other shapes")
    words.append(draw.choice(writer.closings).format(scene.background))
    return " ".join(" ".join(words).split()).replace("a olive", "an olive")


def _phrase(thing: Thing, writer: Writer, draw: Draw) -> str:
    words = ["a"]
    if draw.chance(writer.size):
        words.append(_word(thing.size, writer))
    if thing.texture == "striped" and draw.chance(writer.texture):
        words.append("striped")
    if draw.chance(writer.color):
        words.append(thing.color)
    words.append(_word(thing.shape, writer))
    if draw.chance(writer.place):
        words.append(at(PLACES[thing.cell]))
    return " ".join(words).replace("a arrow", "an arrow")


def at(place: str) -> str:
    return "in the center" if place == "center" else f"at the {place}"


def _word(word: str, writer: Writer) -> str:
    return SYNONYMS[word][writer.synonym] if word in SYNONYMS else word


def relation(first: Thing, second: Thing) -> str:
    if first.row != second.row:
        return "above" if first.row < second.row else "below"
    return "left of" if first.column < second.column else "right of"


def describe(scene: Scene) -> str:
    """Everything in the scene, cell by cell: a training text, never an evaluation text."""
    return " ".join(
        f"{PLACES[t.cell]} {t.size} {t.texture} {t.color} {t.shape}" for t in scene.things
    )
