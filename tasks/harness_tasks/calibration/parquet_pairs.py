"""Parquet files of the hub: a column ``image`` of bytes and a column ``caption`` or ``text``."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.plugin import DataError, InputError
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
            path, f"columns image and caption (or text) are needed; it has {', '.join(columns)}"
        )
    places = [
        (group, row)
        for group in range(table.num_row_groups)
        for row in range(table.metadata.row_group(group).num_rows)
    ]

    @lru_cache(maxsize=1)
    def rows_of(group: int) -> Any:
        return table.read_row_group(group, columns=[IMAGE, caption])

    def read(position: int) -> tuple[Path, str]:
        group, row = places[position]
        rows = rows_of(group)
        image, text = rows[IMAGE][row].as_py(), rows[caption][row].as_py()
        content = image.get("bytes") if isinstance(image, dict) else image
        if not isinstance(content, bytes) or not isinstance(text, str):
            raise DataError(path, "has no image bytes or no caption", f"row {position}")
        return kept_image(content, cache), text

    return PairFile([str(position) for position in range(len(places))], read)


def why_no_parquet() -> str:
    """Why parquet files cannot be read here; empty if they can."""
    if find_spec("pyarrow") is not None:
        return ""
    return "reading parquet needs pyarrow (pip install pyarrow)"


def _open(path: Path) -> Any:
    if why := why_no_parquet():
        raise InputError(f"{path}: {why}")
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path)
    except (OSError, ArrowInvalid) as error:
        raise DataError(path, f"not readable as parquet ({error})") from None
