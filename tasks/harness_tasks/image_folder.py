"""Labelled images: ImageNet's ``val/<wnid>/<image>``, and other sets in folders by class.

A missing class folder would shift every label after it, so the order of classes has to be given,
unless the folders are called by ImageNet's WordNet ids, which have one, or are as many.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.plugin import DataError, brief, listed
from harness_tasks.annotation_files import SUFFIXES, read_json, read_lines
from harness_tasks.class_order import Class, are_of_imagenet, refuse_twice
from harness_tasks.wnids import WNIDS

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
    classes: list[Class]

    @property
    def names(self) -> list[str]:
        """What each class is called; empty if the folder does not say."""
        names = [found.name for found in self.classes]
        return names if all(names) else []


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
    return Labelled(_images(root, present, [found.key for found in classes]), classes)


def read_class_folders(root: Path) -> Labelled:
    """Images of ``<root>/<class>/``, by class and file name; folders are named like their class.

    Where there is a list of classes, those without a folder can be chosen as well.

    Raises:
        DataError: The folder is missing, or the list has a class twice or lacks one.
    """
    if not root.is_dir():
        raise DataError(root, "no such folder; it holds one folder of images per class")
    present = _class_folders(root)
    listed = root.parent / INDEX
    keys = [found.key for found in read_index(listed)] if listed.is_file() else present
    return Labelled(_images(root, present, keys), [Class(key, key) for key in keys])


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
        names = listed(path.relative_to(root) for path in strange[:NAMED])
        more = f" and {len(strange) - NAMED:,} more" if len(strange) > NAMED else ""
        raise DataError(root, f"{names}{more} is no image ({', '.join(SUFFIXES)}); take it out")
    return found


def _files(folder: Path) -> Iterator[Path]:
    """All that lies in a class's folder, but for what no one put there."""
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.name not in IGNORED:
            yield path


def _class_order(root: Path, present: list[str]) -> list[Class]:
    """Classes in index order; without a list they have no names."""
    folder = root.parent
    if (folder / INDEX).is_file():
        return read_index(folder / INDEX)
    if (folder / MAPPING).is_file():
        return _read_mapping(folder / MAPPING)
    classes = [Class(key) for key in present]
    if not are_of_imagenet(classes) and len(present) != len(WNIDS):
        raise DataError(
            root,
            f"{len(present)} class folders, not {len(WNIDS)}; put {MAPPING} or {INDEX} beside "
            f"{root.name}/",
        )
    return classes


def read_index(path: Path) -> list[Class]:
    """The classes of a ``classes.json``: pairs of folder and name, in index order.

    Raises:
        DataError: An entry is something else, or a class stands there twice.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise DataError(path, f"a list of [folder, name] is needed, not {type(entries).__name__}")
    classes = []
    for place, entry in enumerate(entries):
        match entry:
            case [str(key), str(name)]:
                classes.append(Class(key, name))
            case _:
                raise DataError(path, f"{brief(entry)} is not [folder, name]", f"[{place}]")
    refuse_twice(classes, path)
    return classes


def _read_mapping(path: Path) -> list[Class]:
    lines = [line.partition(" ") for _, line in read_lines(path)]
    classes = [Class(wnid, names.partition(",")[0].strip()) for wnid, _, names in lines]
    refuse_twice(classes, path)
    return classes
