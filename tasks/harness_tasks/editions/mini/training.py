"""The split that the bundled models learnt from."""

from pathlib import Path

from harness_tasks.editions.mini.folders import write_coco_captions, write_training
from harness_tasks.editions.mini.labelled import class_names
from harness_tasks.editions.mini.splits import training_scenes


def write_train_split(root: Path, count: int) -> None:
    """The folder ``train`` under `root`: that of other training folders, and class names."""
    folder, scenes = root / "train", list(training_scenes(count))
    images = write_training(folder, scenes, "train", per_type=3)
    names = [
        (image_id, name)
        for image_id, scene in enumerate(scenes, start=1)
        for name in class_names(scene)
    ]
    write_coco_captions(folder / "classes_train2014.json", names, images)
