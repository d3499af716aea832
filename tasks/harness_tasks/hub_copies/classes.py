"""Data sets of labelled images, as one folder of images per class."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.plugin import DataError, HubCopy, HubTables
from harness_tasks.hub_copies.writing import (
    content_name,
    image_bytes,
    suffix_of,
    write_bytes,
    write_json,
)


def write_imagenet(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``val/<number>/<image>`` and ``classes.json``: folders are numbered like the classes."""
    names = tables.class_names(copy.tables[0].name, copy.tables[0].columns[1])
    labels = set()
    for label, file, image in _named_images(tables, copy):
        labels.add(label)
        write_bytes(folder / "val" / f"{label:04d}" / file, image)
    count = max(len(names), 1 + max(labels, default=-1))
    write_json(
        folder / "classes.json",
        [[f"{label:04d}", names[label] if names else ""] for label in range(count)],
    )


def write_classes(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``test/<class>/<image>``: folders are named like their class."""
    names = tables.class_names(copy.tables[0].name, copy.tables[0].columns[1])
    if not names:
        raise DataError(folder, f"{copy.repo} does not say what its classes are called")
    for label, file, image in _named_images(tables, copy):
        write_bytes(folder / "test" / _folder_name(names[label]) / file, image)


def _named_images(tables: HubTables, copy: HubCopy) -> Iterator[tuple[int, str, bytes]]:
    """(class, file name, image); names are made of the content, equal images are numbered.

    The copy's columns are the image and its class.
    """
    table = copy.tables[0]
    image_column, label_column = table.columns
    seen: Counter[tuple[int, str]] = Counter()
    for row in tables.rows(table.name):
        image, label = image_bytes(row, image_column), int(row[label_column])
        name = content_name(image)
        seen[label, name] += 1
        twin = f"-{seen[label, name]}" if seen[label, name] > 1 else ""
        yield label, f"{name}{twin}{suffix_of(image)}", image


def _folder_name(name: str) -> str:
    """A class's name without blanks; of SUN397's paths the initial goes.

    >>> _folder_name("/c/church/outdoor"), _folder_name("red fox")
    ('church_outdoor', 'red_fox')
    """
    words = [word for word in name.split("/") if len(word) > 1]
    return "_".join(words).replace(" ", "_")
