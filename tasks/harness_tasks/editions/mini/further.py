"""Splits that came after the first: their scenes are in no other split and in no training."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness_tasks.editions.mini.captioned import draw_captioned, write_coco, write_flickr30k
from harness_tasks.editions.mini.gqa import draw_gqa, write_gqa
from harness_tasks.editions.mini.labelled import LABELLINGS, draw_labelled, write_labelled
from harness_tasks.editions.mini.nlvr2 import draw_nlvr2, write_nlvr2
from harness_tasks.editions.mini.okvqa import draw_okvqa, write_okvqa
from harness_tasks.editions.mini.splits import taken


@dataclass(frozen=True, slots=True)
class Split:
    """How one task's split is made."""

    draw: Callable[[set[str]], Any]
    """Scenes, with what is asked of them, whose digests are not in the set; adds them to it."""
    write: Callable[[Path, Any], None]
    """Write what was drawn into a folder."""


#: In the order in which they choose their scenes: a new one goes to the end.
SPLITS = {
    **{
        name: Split(partial(draw_labelled, name), partial(write_labelled, name))
        for name in LABELLINGS
    },
    "flickr30k": Split(partial(draw_captioned, "flickr30k"), write_flickr30k),
    "coco-caption": Split(partial(draw_captioned, "coco-caption"), write_coco),
    "okvqa": Split(draw_okvqa, write_okvqa),
    "gqa": Split(draw_gqa, write_gqa),
    "nlvr2": Split(draw_nlvr2, write_nlvr2),
}


def write_split(task: str, folder: Path) -> None:
    """Write the task's folder, after drawing the splits before it."""
    seen = taken()
    for name, split in SPLITS.items():
        drawn = split.draw(seen)
        if name == task:
            split.write(folder, drawn)
            return


def write_further(root: Path) -> None:
    """Write every one of these splits to the folder of its task under `root`."""
    seen = taken()
    for name, split in SPLITS.items():
        split.write(root / name, split.draw(seen))
