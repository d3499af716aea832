"""Parquet files of the hub: a column ``image`` of bytes and a column ``caption`` or ``text``."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.plugin import DataError, InputError, Row, brief, listed
from harness_tasks.calibration.pair_files import PairFile
from harness_tasks.calibration.source_files import kept_image

CAPTIONS = ("caption", "text")
IMAGE = "image"


def read_parquet_pairs(path: Path, cache: Path) -> PairFile:
    table = _open(path)
    columns = table.schema_arrow.names
    caption = next((name for name in CAPTIONS if name in columns), None)
    if caption is None or IMAGE not in columns:
        raise DataError(
            path, f"columns image and caption (or text) are needed; it has {listed(columns)}"
        )
    places = [
        (group, row)
        for group in range(table.num_row_groups)
        for row in range(table.metadata.row_group(group).num_rows)
    ]

    @lru_cache(maxsize=1)
    def rows_of(group: int) -> Any:
        with _readable(path):
            return table.read_row_group(group, columns=[IMAGE, caption])

    def read(position: int) -> tuple[Path, str]:
        group, number = places[position]
        rows = rows_of(group)
        with _readable(path, f"row {position}"):
            found = {name: rows[name][number].as_py() for name in (IMAGE, caption)}
        row = Row(found, path, f"row {position}")
        image = row[IMAGE]["bytes"] if isinstance(row[IMAGE], dict) else row[IMAGE]
        if not isinstance(image, bytes):
            raise row.fault(f"field {IMAGE!r} holds no bytes of an image")
        return kept_image(image, cache), row.get(caption, str)

    return PairFile([str(position) for position in range(len(places))], read)


def why_no_parquet() -> str:
    """Why parquet files cannot be read here; empty if they can."""
    if find_spec("pyarrow") is not None:
        return ""
    return "reading parquet needs pyarrow (pip install pyarrow)"


def _open(path: Path) -> Any:
    if why := why_no_parquet():
        raise InputError(f"{path}: {why}")
    from pyarrow.parquet import ParquetFile

    with _readable(path):
        return ParquetFile(path)


@contextmanager
def _readable(path: Path, place: str | None = None) -> Iterator[None]:
    """Name a file in which the library stumbles; a text that is not UTF-8 is such a place, too."""
    try:
        yield
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        told = brief(str(error).partition("\n")[0])
        raise DataError(path, f"not readable as parquet ({told})", place) from None
