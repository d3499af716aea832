"""GQA: compositional questions, each with the program that answers it.

Hudson and Manning, "GQA: A New Dataset for Real-World Visual Reasoning and Compositional Question
Answering", CVPR 2019. The five structural types come equally often, and yes as often as no: what
is asked and, where it is yes or no, the answer are drawn before the scene.
"""

from pathlib import Path
from typing import Any

from harness_tasks.editions.mini.folders import dump_json, write_images
from harness_tasks.editions.mini.gqa_templates import TEMPLATES, Asked, Template
from harness_tasks.editions.mini.scene import Draw, Scene, draw_scene

IMAGES = 150
#: Questions about one image, of different structural types.
PER_IMAGE = 2
BINARY = ("yes", "no")

Questioned = tuple[Scene, list[tuple[str, Asked]]]
"""A scene and its questions, each with the structural type."""


def draw_gqa(seen: set[str]) -> list[Questioned]:
    draw = Draw("gqa")
    types = list(TEMPLATES) * PER_IMAGE
    return [
        _draw_questioned(types[index * PER_IMAGE % len(TEMPLATES) :][:PER_IMAGE], draw, seen)
        for index in range(IMAGES)
    ]


def _draw_questioned(types: list[str], draw: Draw, seen: set[str]) -> Questioned:
    """Draw scenes until one is not in `seen` and fits a template of each type; add it."""
    plans = [(draw.choice(TEMPLATES[kind]), draw.choice(BINARY)) for kind in types]
    while True:
        scene = draw_scene(draw)
        asked = [_ask(template, wanted, scene, draw) for template, wanted in plans]
        fitting = [question for question in asked if question is not None]
        if len(fitting) == len(types) and scene.digest not in seen:
            seen.add(scene.digest)
            return scene, list(zip(types, fitting, strict=True))


def _ask(template: Template, wanted: str, scene: Scene, draw: Draw) -> Asked | None:
    """None where the template does not fit the scene or the answer is not that of yes and no."""
    asked = template(scene, draw)
    if asked is None or (asked.answer in BINARY and asked.answer != wanted):
        return None
    return asked


def write_gqa(folder: Path, questioned: list[Questioned]) -> None:
    """``testdev_balanced_questions.json`` and ``images/<imageId>.png``."""
    write_images(folder / "images", [scene for scene, _ in questioned], "n{:06d}.png")
    rows: dict[str, dict[str, Any]] = {}
    for number, (_, questions) in enumerate(questioned, start=1):
        for index, (kind, asked) in enumerate(questions):
            key = f"20{number:05d}{index}"
            rows[key] = _row(key, f"n{number:06d}", kind, asked)
    dump_json(folder / "testdev_balanced_questions.json", rows)


def _row(key: str, image_id: str, kind: str, asked: Asked) -> dict[str, Any]:
    steps = [
        f"{operation}: {argument}" + (f" {dependencies}" if dependencies else "")
        for operation, argument, dependencies in asked.program
    ]
    return {
        "semantic": [
            {"operation": operation, "dependencies": dependencies, "argument": argument}
            for operation, argument, dependencies in asked.program
        ],
        "entailed": [],
        "equivalent": [key],
        "question": asked.text,
        "imageId": image_id,
        "isBalanced": True,
        "groups": {"global": None, "local": asked.about},
        "answer": asked.answer,
        "semanticStr": "->".join(steps),
        "annotations": {"answer": {}, "question": {}, "fullAnswer": {}},
        "types": {"detailed": asked.detailed, "semantic": asked.semantic, "structural": kind},
        "fullAnswer": asked.full,
    }
