"""Flickr30k's and COCO's captions: five sentences an image, by writers of the training captions.

Flickr30k is for retrieval, so its writers name nearly everything; COCO's are drawn from the same
ten whose captions the bundled models learnt from.
"""

from pathlib import Path

from harness_tasks.editions.mini.captions import PRECISE, WRITERS, write
from harness_tasks.editions.mini.folders import (
    REFERENCES,
    dump_json,
    write_coco_captions,
    write_images,
)
from harness_tasks.editions.mini.scene import Draw, Scene, draw_scene_of
from harness_tasks.editions.mini.splits import draw_new

IMAGES = 200
SENTENCES = 5
#: Words of the longest sentence for retrieval.
LONGEST = 40


def draw_captioned(name: str, seen: set[str]) -> list[Scene]:
    """Scenes of two to four things; in-domain, for captioners saw no others."""
    draw = Draw(name)
    return [draw_new(_draw_several, draw, seen) for _ in range(IMAGES)]


def _draw_several(draw: Draw) -> Scene:
    while True:
        scene = draw_scene_of("in-domain", draw)
        if len(scene.things) > 1:
            return scene


def write_flickr30k(folder: Path, scenes: list[Scene]) -> None:
    """Karpathy's split file and ``images/``; everything is in the split ``test``."""
    entries = write_images(folder / "images", scenes, "{:010d}.png")
    draw = Draw("flickr30k captions")
    images = []
    for image_id, (entry, scene) in enumerate(zip(entries, scenes, strict=True)):
        texts = [write(scene, writer, draw, LONGEST) for writer in PRECISE]
        sentence_ids = list(range(image_id * SENTENCES, (image_id + 1) * SENTENCES))
        sentences = [
            {"tokens": text.split(), "raw": _sentence(text), "imgid": image_id, "sentid": number}
            for number, text in zip(sentence_ids, texts, strict=True)
        ]
        images.append(
            {
                "sentids": sentence_ids,
                "imgid": image_id,
                "sentences": sentences,
                "split": "test",
                "filename": entry["file_name"],
            }
        )
    dump_json(folder / "dataset_flickr30k.json", {"images": images, "dataset": "flickr30k"})


def write_coco(folder: Path, scenes: list[Scene]) -> None:
    """``annotations/captions_val2017.json`` and ``val2017/``."""
    images = write_images(folder / "val2017", scenes, "{:012d}.png")
    draw = Draw("coco-caption captions")
    texts = [
        (image_id, _sentence(write(scene, writer, draw)))
        for image_id, scene in enumerate(scenes, start=1)
        for writer in draw.sample(WRITERS[:REFERENCES], SENTENCES)
    ]
    write_coco_captions(folder / "annotations" / "captions_val2017.json", texts, images)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
