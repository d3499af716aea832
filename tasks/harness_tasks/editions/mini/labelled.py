"""Folders of labelled images: ImageNet's layout, and one folder a class for the CLIP eleven.

Each of the eleven names asks for something else of a scene: what fine-grained data sets ask of
pets and cars, this world can only ask of colours, sizes and places.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

from harness_tasks.editions.mini.captions import at, relation
from harness_tasks.editions.mini.folders import dump_json, write_images
from harness_tasks.editions.mini.questions import PLACES
from harness_tasks.editions.mini.scene import (
    BACKGROUNDS,
    COLORS,
    MAX_THINGS,
    SHAPES,
    SIZES,
    TEXTURES,
    Draw,
    Scene,
    Thing,
    draw_scene,
)

#: Of two shapes of ``ucf101``, how the first may stand to the second.
RELATIONS = ("above", "below", "left of", "right of")
ACTORS = (("circle", "square"), ("star", "ring"), ("heart", "arrow"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelling:
    """What a data set asks of a scene."""

    names: tuple[str, ...]
    """Class names, as they stand in a prompt ("a photo of a ...", "... texture")."""
    images: int
    """Images of each class."""
    name_of: Callable[[Scene], str | None]
    """The class of a scene; None where the question makes no sense."""


def _of_thing(name_of: Callable[[Thing], str | None]) -> Callable[[Scene], str | None]:
    """A question about the only thing of a scene."""
    return lambda scene: name_of(scene.things[0]) if len(scene.things) == 1 else None


def _kind(thing: Thing) -> str:
    return f"{thing.color} {thing.shape}"


def _shape(thing: Thing) -> str:
    return thing.shape


def _color(thing: Thing) -> str:
    return f"{thing.color} object"


def _sized(thing: Thing) -> str:
    return f"{thing.size} {thing.shape}"


def _blossom(thing: Thing) -> str | None:
    return f"{thing.texture} {thing.color} star" if thing.shape == "star" else None


def _heading(thing: Thing) -> str | None:
    return f"arrow {at(PLACES[thing.cell])}" if thing.shape == "arrow" else None


def _dish(scene: Scene) -> str | None:
    shapes = sorted({thing.shape for thing in scene.things}, key=SHAPES.index)
    return " and ".join(shapes) if len(scene.things) == len(shapes) == 2 else None


def _background(scene: Scene) -> str:
    return f"{scene.background} background"


def _texture(scene: Scene) -> str | None:
    textures = {thing.texture for thing in scene.things}
    return textures.pop() if len(textures) == 1 else None


def _count(scene: Scene) -> str:
    return _counted(len(scene.things))


def _counted(number: int) -> str:
    return f"{number} object" + "s" * (number > 1)


def _action(scene: Scene) -> str | None:
    by_shape = {thing.shape: thing for thing in scene.things}
    for first, second in ACTORS:
        if len(scene.things) == 2 and {first, second} == set(by_shape):
            return f"{first} {relation(by_shape[first], by_shape[second])} {second}"
    return None


def _words(*columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(words) for words in product(*columns))


IMAGENET = "imagenet"
LABELLINGS = {
    IMAGENET: Labelling(names=_words(COLORS, SHAPES), images=4, name_of=_of_thing(_kind)),
    "caltech101": Labelling(names=SHAPES, images=13, name_of=_of_thing(_shape)),
    "oxford_pets": Labelling(
        names=_words(COLORS, ("object",)), images=13, name_of=_of_thing(_color)
    ),
    "stanford_cars": Labelling(names=_words(SIZES, SHAPES), images=7, name_of=_of_thing(_sized)),
    "oxford_flowers": Labelling(
        names=_words(TEXTURES, COLORS, ("star",)), images=7, name_of=_of_thing(_blossom)
    ),
    "food101": Labelling(
        names=tuple(" and ".join(pair) for pair in combinations(SHAPES, 2)),
        images=4,
        name_of=_dish,
    ),
    "fgvc_aircraft": Labelling(
        names=tuple(f"arrow {at(place)}" for place in PLACES),
        images=12,
        name_of=_of_thing(_heading),
    ),
    "sun397": Labelling(names=_words(BACKGROUNDS, ("background",)), images=18, name_of=_background),
    "dtd": Labelling(names=TEXTURES, images=50, name_of=_texture),
    "eurosat": Labelling(
        names=tuple(map(_counted, range(1, MAX_THINGS + 1))), images=25, name_of=_count
    ),
    "ucf101": Labelling(
        names=tuple(f"{a} {how} {b}" for (a, b), how in product(ACTORS, RELATIONS)),
        images=9,
        name_of=_action,
    ),
}


def draw_labelled(name: str, seen: set[str]) -> dict[str, list[Scene]]:
    """Scenes not in `seen` by class, classes in the order of their names; adds them to `seen`."""
    labelling, draw = LABELLINGS[name], Draw(name)
    found: dict[str, list[Scene]] = {label: [] for label in sorted(labelling.names)}
    missing = labelling.images * len(found)
    while missing:
        scene = draw_scene(draw)
        label = labelling.name_of(scene)
        if label not in found or len(found[label]) == labelling.images or scene.digest in seen:
            continue
        seen.add(scene.digest)
        found[label].append(scene)
        missing -= 1
    return found


def class_names(scene: Scene) -> list[str]:
    """What the scene is called under every labelling that can name it: training texts."""
    called = [labelling.name_of(scene) for labelling in LABELLINGS.values()]
    return [name for name in called if name is not None]


def write_labelled(name: str, folder: Path, scenes: dict[str, list[Scene]]) -> None:
    """``<split>/<class>/<image>`` and ``classes.json``, pairs of folder and name in index order.

    ImageNet's split is ``val`` and its folders are like WordNet ids, though of no real synset.
    """
    split = "val" if name == IMAGENET else "test"
    classes = []
    for index, (label, of_class) in enumerate(scenes.items()):
        place = f"n9{index:07d}" if name == IMAGENET else label.replace(" ", "_")
        write_images(folder / split / place, of_class, place + "_{:04d}.png")
        classes.append((place, label))
    dump_json(folder / "classes.json", classes)
