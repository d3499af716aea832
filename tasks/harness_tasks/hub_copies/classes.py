"""Data sets of labelled images, as one folder of images per class."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.plugin import DataError, HubCopy, HubTables, brief, inside
from harness_tasks.hub_copies.writing import (
    content_name,
    image_bytes,
    suffix_of,
    write_bytes,
    write_json,
)

#: Folders are numbered by four digits.
MOST_CLASSES = 10_000


def write_imagenet(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``val/<number>/<image>`` and ``classes.json``: folders are numbered like the classes."""
    names = tables.class_names(copy.tables[0].name, copy.tables[0].columns[1])
    labels = _labels(tables, copy, len(names) or MOST_CLASSES)
    for label, file, image in _named_images(tables, copy, labels):
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
    folders = [_class_folder(folder / "test", name, copy) for name in names]
    if twins := [path for path, count in Counter(folders).items() if count > 1]:
        raise DataError(twins[0], f"two classes of {copy.repo} would lie there")
    labels = _labels(tables, copy, len(names))
    for label, file, image in _named_images(tables, copy, labels):
        write_bytes(folders[label] / file, image)


def _class_folder(parent: Path, name: str, copy: HubCopy) -> Path:
    try:
        return inside(parent, _folder_name(name))
    except ValueError as error:
        raise DataError(parent, f"class {brief(name)} of {copy.repo} {error}") from None


def _labels(tables: HubTables, copy: HubCopy, count: int) -> list[int]:
    """The class of every row; the copy's columns are the image and its class."""
    table = copy.tables[0]
    _, column = table.columns
    labels = []
    for row in tables.fields(table.name, column):
        label = row.get(column, int)
        if not 0 <= label < count:
            raise row.fault(f"column {column!r} is {label}, not a class from 0 to {count - 1}")
        labels.append(label)
    return labels


def _named_images(
    tables: HubTables, copy: HubCopy, labels: Sequence[int]
) -> Iterator[tuple[int, str, bytes]]:
    """(class, file name, image); names are made of the content, equal images are numbered."""
    table = copy.tables[0]
    image_column, _ = table.columns
    seen: Counter[tuple[int, str]] = Counter()
    for label, row in zip(labels, tables.rows(table.name), strict=True):
        image = image_bytes(row, image_column)
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
