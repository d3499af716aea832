"""ImageNet's folder of labelled images, ``val/<wnid>/<image>``.

A missing class folder would shift every label after it, so the order of classes has to be given
unless all 1000 folders are there.
"""

from pathlib import Path

from harness.plugin import DataError
from harness_tasks.annotation_files import SUFFIXES, read_json

CLASSES = 1000
#: Kaggle's list of classes, ``wnid name, name`` per line, in index order.
MAPPING = "LOC_synset_mapping.txt"
INDEX = "classes.json"


def read_image_folder(folder: Path) -> list[tuple[Path, int]]:
    """Images of ``val/<wnid>/`` with their class index, by wnid and file name.

    Raises:
        DataError: The folder is missing, or the class order is not certain.
    """
    root = folder / "val"
    if not root.is_dir():
        raise DataError(root, "no such folder; ImageNet's is val/<wnid>/<image>")
    present = sorted(path.name for path in root.iterdir() if path.is_dir())
    order = {wnid: index for index, wnid in enumerate(_class_order(folder, present))}
    unknown = [wnid for wnid in present if wnid not in order]
    if unknown:
        raise DataError(root / unknown[0], "is no class of the list")
    return [
        (path, order[wnid])
        for wnid in present
        for path in sorted((root / wnid).iterdir())
        if path.suffix in SUFFIXES
    ]


def _class_order(folder: Path, present: list[str]) -> list[str]:
    if (folder / INDEX).is_file():
        return [str(entry[0]) for entry in read_json(folder / INDEX)]
    if (folder / MAPPING).is_file():
        lines = (folder / MAPPING).read_text(encoding="utf-8").splitlines()
        return [line.split()[0] for line in lines if line.strip()]
    if len(present) != CLASSES:
        raise DataError(
            folder / "val",
            f"{len(present)} class folders, not {CLASSES}; put {MAPPING} or {INDEX} beside val/",
        )
    return present
