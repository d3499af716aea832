"""NLVR2's JSON lines, for every split: a sentence and two photographs, the left and the right."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.plugin import DataError
from harness_tasks.annotation_files import find_image, read_json_lines

TRUTH_PROMPT = "Question: is it true that {} Short answer:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One sentence on one pair of photographs."""

    id: str
    text: str
    is_true: bool
    pair: str
    """Several sentences share a pair."""
    folder: Path
    """Where the images lie."""

    @property
    def images(self) -> tuple[Path, Path]:
        """The left and the right one."""
        left, right = (find_image(self.folder, f"{self.pair}-img{side}") for side in (0, 1))
        return left, right


def read_statements(path: Path) -> Iterator[Statement]:
    """Statements in the order of the file.

    Images lie beside it in a folder named like it, those of the train split in numbered folders
    there, as their form delivers them.

    Raises:
        DataError: The file or a field is missing, or a label is something else.
    """
    for row in read_json_lines(path):
        identifier, label = row.get("identifier", str), row.get("label", str)
        if label not in ("True", "False"):
            raise DataError(path, f"label {label!r} is neither 'True' nor 'False'", identifier)
        yield Statement(
            id=identifier,
            text=row.get("sentence", str),
            is_true=label == "True",
            pair=identifier.rpartition("-")[0],
            folder=path.parent
            / path.stem
            / (str(row.get("directory", int)) if "directory" in row else ""),
        )
