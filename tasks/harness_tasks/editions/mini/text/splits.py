"""The text splits: which scenes each one tells of, none shared between two or with images'."""

from collections.abc import Iterator

from harness_tasks.editions.mini.scene import Draw, Scene, draw_scene
from harness_tasks.editions.mini.splits import draw_new, taken

#: Scenes per split; an lm-eval task's few-shot examples are a split of their own.
COUNTS = {
    "wikitext": 200,
    "ptb": 200,
    "completion": 200,
    "completion fewshot": 20,
    "yes-no": 200,
    "yes-no fewshot": 20,
    "cloze": 200,
    "cloze fewshot": 20,
    "report": 200,
    "calibration": 1200,
}
#: One thing alone gives a report nothing to compare.
FEWEST_THINGS = 2


def text_splits() -> dict[str, list[Scene]]:
    """Scenes of all text splits but the training one, always the same ones."""
    return _draw_splits(taken())


def text_training_scenes(count: int) -> Iterator[Scene]:
    """`count` scenes, none of them in another split."""
    seen = taken()
    _draw_splits(seen)
    draw = Draw("text train")
    for _ in range(count):
        yield draw_new(_draw_company, draw, seen)


def _draw_splits(seen: set[str]) -> dict[str, list[Scene]]:
    """Scenes that are not in `seen`, which they are added to."""
    draws = {name: Draw(f"text {name}") for name in COUNTS}
    return {
        name: [draw_new(_draw_company, draws[name], seen) for _ in range(count)]
        for name, count in COUNTS.items()
    }


def _draw_company(draw: Draw) -> Scene:
    while True:
        scene = draw_scene(draw)
        if len(scene.things) >= FEWEST_THINGS:
            return scene
