"""The splits of the miniature world: which scenes each one holds, none shared between two.

Evaluation and calibration scenes are drawn first; training scenes that equal one of them, in
everything but the pixel offsets, are left out. Splits that came later (`further`) hold scenes that
neither these nor the training of the bundled models have.
"""

from collections.abc import Callable, Iterator
from functools import partial

from harness_tasks.editions.mini.scene import Domain, Draw, Scene, draw_scene, draw_scene_of

VQA_IMAGES = 400
DOMAINS: tuple[Domain, ...] = ("in-domain", "near-domain", "out-domain")
IMAGES_PER_DOMAIN = 120
CALIBRATION_IMAGES = 256
#: Images that the bundled models were trained on.
TRAINING_IMAGES = 24_000


def evaluation_splits() -> dict[str, list[Scene]]:
    """Scenes of ``vqav2``, ``nocaps`` and ``calibration``, always the same ones."""
    seen: set[str] = set()
    domains = [domain for domain in DOMAINS for _ in range(IMAGES_PER_DOMAIN)]
    vqa, nocaps, calibration = Draw("vqav2"), Draw("nocaps"), Draw("calibration")
    return {
        "vqav2": [draw_new(draw_scene, vqa, seen) for _ in range(VQA_IMAGES)],
        "nocaps": [draw_new(partial(draw_scene_of, domain), nocaps, seen) for domain in domains],
        "calibration": [draw_new(draw_scene, calibration, seen) for _ in range(CALIBRATION_IMAGES)],
    }


def draw_new(draw_one: Callable[[Draw], Scene], draw: Draw, seen: set[str]) -> Scene:
    """Draw a scene that is not in `seen`, and add it."""
    while True:
        scene = draw_one(draw)
        if scene.digest not in seen:
            seen.add(scene.digest)
            return scene


def taken() -> set[str]:
    """Digests of the scenes that these splits and the bundled models' training hold."""
    return _held_out() | {scene.digest for scene in training_scenes(TRAINING_IMAGES)}


def _held_out() -> set[str]:
    return {scene.digest for split in evaluation_splits().values() for scene in split}


def training_scenes(count: int) -> Iterator[Scene]:
    """`count` scenes, none of them in an evaluation split; every other one is in-domain.

    Captions are written for in-domain scenes only, so half of the images have some.
    """
    held_out = _held_out()
    draw = Draw("train")
    given = 0
    while given < count:
        scene = draw_scene_of("in-domain", draw) if given % 2 else draw_scene(draw)
        if scene.digest not in held_out:
            given += 1
            yield scene
