"""NLVR2's JSON lines, for every split: a sentence and two photographs, the left and the right."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.plugin import Once, Row, brief
from harness_tasks.annotation_files import Images, read_json_lines

TRUTH_PROMPT = "Question: is it true that {} Short answer:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One sentence on one pair of photographs."""

    id: str
    text: str
    is_true: bool
    pair: str
    """Several sentences share a pair."""
    images: tuple[Path, Path]
    """The left and the right one."""


def read_statements(path: Path) -> Iterator[Statement]:
    """Statements in the order of the file.

    Images lie beside it in a folder named like it, those of the train split in numbered folders
    there, as their form delivers them.

    Raises:
        DataError: The file or a field is missing, a label is something else, or a sentence stands
            there twice.
    """
    images, once = Images(path.parent / path.stem), Once("identifier")
    for row in read_json_lines(path):
        identifier, label = row.get("identifier", str), row.get("label", str)
        once.take(identifier, row)
        if label not in ("True", "False"):
            raise row.fault(f"field 'label' is {brief(label)}, neither 'True' nor 'False'")
        pair, _, _ = identifier.rpartition("-")
        if not pair:
            raise row.fault(f"field 'identifier' is {brief(identifier)}, not PAIR-NUMBER")
        yield Statement(
            id=identifier,
            text=row.get("sentence", str),
            is_true=label == "True",
            pair=pair,
            images=_pair(pair, row, images),
        )


def _pair(pair: str, row: Row, images: Images) -> tuple[Path, Path]:
    folder = f"{row.get('directory', int)}/" if "directory" in row else ""
    left, right = (images.find(f"{folder}{pair}-img{side}", row, "identifier") for side in (0, 1))
    return left, right
