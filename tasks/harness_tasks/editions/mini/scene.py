"""Scenes of the miniature world: a 3 x 3 grid of coloured shapes on a plain background.

Everything is drawn from ``random.Random(seed).random()`` alone, the one stream that Python
promises to keep, so a scene never changes with a library version.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

GRID = 3
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "arrow")
COLORS = ("red", "green", "blue", "yellow", "purple", "white", "pink", "cyan")
SIZES = ("small", "large")
TEXTURES = ("plain", "striped")
BACKGROUNDS = ("gray", "black", "brown", "teal", "navy", "olive")
MAX_THINGS = 4
#: Probability that a thing repeats the shape, and as much that it repeats the colour, of another.
ECHO = 0.25
STRIPED = 0.35

#: Shapes that no training caption names (questions and descriptions do): nocaps' out-of-domain.
NOVEL_SHAPES = frozenset({"heart", "arrow"})
#: Colour-shape pairs that no training caption shows, of words that captions use: near-domain.
NOVEL_PAIRS = frozenset(
    (COLORS[(index + shift) % len(COLORS)], shape)
    for index, shape in enumerate(shape for shape in SHAPES if shape not in NOVEL_SHAPES)
    for shift in (0, 3)
)

Domain = Literal["in-domain", "near-domain", "out-domain"]
T = TypeVar("T")


class Draw:
    """Seeded choices that depend on nothing but ``random.Random(seed).random()``."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def below(self, count: int) -> int:
        """An integer in [0, count)."""
        return int(self._random() * count)

    def choice(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items in random order."""
        pool = list(items)
        return [pool.pop(self.below(len(pool))) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape; ``dx`` and ``dy`` are its offset from the cell's centre in pixels."""

    cell: int
    shape: str
    color: str
    size: str
    texture: str
    dx: int
    dy: int

    @property
    def row(self) -> int:
        return self.cell // GRID

    @property
    def column(self) -> int:
        return self.cell % GRID


@dataclass(frozen=True, slots=True)
class Scene:
    background: str
    things: tuple[Thing, ...]

    @property
    def domain(self) -> Domain:
        """Where the scene stands to the caption training set, in nocaps' words."""
        if any(thing.shape in NOVEL_SHAPES for thing in self.things):
            return "out-domain"
        if any((thing.color, thing.shape) in NOVEL_PAIRS for thing in self.things):
            return "near-domain"
        return "in-domain"

    @property
    def digest(self) -> str:
        """Hash of what is in the scene, without the pixel offsets: equal scenes look alike."""
        things = sorted((t.cell, t.shape, t.color, t.size, t.texture) for t in self.things)
        return hashlib.sha256(repr((self.background, things)).encode()).hexdigest()


def draw_scene(draw: Draw) -> Scene:
    """Draw one to four things in different cells; some repeat a shape or a colour."""
    cells = sorted(draw.sample(range(GRID * GRID), 1 + draw.below(MAX_THINGS)))
    things: list[Thing] = []
    for cell in cells:
        shape, color = draw.choice(SHAPES), draw.choice(COLORS)
        if things and draw.chance(ECHO):
            shape = draw.choice(things).shape
        if things and draw.chance(ECHO):
            color = draw.choice(things).color
        size, texture = draw.choice(SIZES), TEXTURES[draw.chance(STRIPED)]
        dx, dy = draw.below(3) - 1, draw.below(3) - 1
        things.append(Thing(cell, shape, color, size, texture, dx, dy))
    return Scene(background=draw.choice(BACKGROUNDS), things=tuple(things))


def draw_scene_of(domain: Domain, draw: Draw) -> Scene:
    """Draw until a scene of that domain comes up."""
    while True:
        scene = draw_scene(draw)
        if scene.domain == domain:
            return scene
