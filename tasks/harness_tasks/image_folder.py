"""Labelled images: ImageNet's ``val/<wnid>/<image>``, and other sets in folders by class.

A missing class folder would shift every label after it, so the order of ImageNet's classes has to
be given unless all 1000 folders are there.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.plugin import DataError
from harness_tasks.annotation_files import SUFFIXES, read_json

CLASSES = 1000
#: Kaggle's list of classes, ``wnid name, name`` per line, in index order.
MAPPING = "LOC_synset_mapping.txt"
INDEX = "classes.json"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with their class index, and the classes in index order."""

    images: list[tuple[Path, int]]
    names: list[str]
    """What each class is called; empty if the folder does not say."""


def read_image_folder(folder: Path, split: str = "val") -> Labelled:
    """Images of ``<split>/<wnid>/``, by wnid and file name.

    Raises:
        DataError: The folder is missing, or the class order is not certain.
    """
    root = folder / split
    if not root.is_dir():
        raise DataError(root, f"no such folder; ImageNet's is {split}/<wnid>/<image>")
    present = sorted(path.name for path in root.iterdir() if path.is_dir())
    classes = _class_order(root, present)
    names = [name for _, name in classes]
    return Labelled(
        _images(root, present, [key for key, _ in classes]), names if all(names) else []
    )


def read_class_folders(root: Path) -> Labelled:
    """Images of ``<root>/<class>/``, by class and file name; folders are named like their class.

    Raises:
        DataError: The folder is missing.
    """
    if not root.is_dir():
        raise DataError(root, "no such folder; it holds one folder of images per class")
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    return Labelled(_images(root, names, names), names)


def _images(root: Path, present: list[str], classes: list[str]) -> list[tuple[Path, int]]:
    order = {name: index for index, name in enumerate(classes)}
    unknown = [name for name in present if name not in order]
    if unknown:
        raise DataError(root / unknown[0], "is no class of the list")
    return [
        (path, order[name])
        for name in present
        for path in sorted((root / name).iterdir())
        if path.suffix in SUFFIXES
    ]


def _class_order(root: Path, present: list[str]) -> list[tuple[str, str]]:
    """(wnid, name) in index order; without a list of classes names are empty."""
    folder = root.parent
    if (folder / INDEX).is_file():
        return [(str(key), str(name)) for key, name in read_json(folder / INDEX)]
    if (folder / MAPPING).is_file():
        lines = (folder / MAPPING).read_text(encoding="utf-8").splitlines()
        entries = [line.partition(" ") for line in lines if line.strip()]
        return [(wnid, names.partition(",")[0].strip()) for wnid, _, names in entries]
    if len(present) != CLASSES:
        raise DataError(
            root,
            f"{len(present)} class folders, not {CLASSES}; put {MAPPING} or {INDEX} beside "
            f"{root.name}/",
        )
    return [(wnid, "") for wnid in present]
