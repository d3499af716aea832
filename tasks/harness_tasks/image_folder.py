"""Labelled images: ImageNet's ``val/<wnid>/<image>``, and other sets in folders by class.

A missing class folder would shift every label after it, so the order of ImageNet's classes has to
be given unless all 1000 folders are there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.plugin import DataError
from harness_tasks.annotation_files import SUFFIXES, read_json

CLASSES = 1000
#: What a file browser leaves behind.
IGNORED = ("Thumbs.db", "desktop.ini")
NAMED = 5
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
    present = _class_folders(root)
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
    names = _class_folders(root)
    return Labelled(_images(root, names, names), names)


def _class_folders(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images(root: Path, present: list[str], classes: list[str]) -> list[tuple[Path, int]]:
    order = {name: index for index, name in enumerate(classes)}
    unknown = [name for name in present if name not in order]
    if unknown:
        raise DataError(root / unknown[0], "is no class of the list")
    found = [(path, order[name]) for name in present for path in _files(root / name)]
    strange = [path for path, _ in found if path.suffix.lower() not in SUFFIXES]
    if strange:
        names = ", ".join(str(path.relative_to(root)) for path in strange[:NAMED])
        more = f" and {len(strange) - NAMED:,} more" if len(strange) > NAMED else ""
        raise DataError(root, f"{names}{more} is no image ({', '.join(SUFFIXES)}); take it out")
    return found


def _files(folder: Path) -> Iterator[Path]:
    """All that lies in a class's folder, but for what no one put there."""
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.name not in IGNORED:
            yield path


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
