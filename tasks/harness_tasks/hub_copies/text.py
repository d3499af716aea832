"""Running text."""

from pathlib import Path

from harness.plugin import HubCopy, HubTables
from harness_tasks.hub_copies.writing import write_bytes

#: An empty line of the file, which the copy has as an empty row.
EMPTY = " \n"


def write_wikitext(tables: HubTables, folder: Path, copy: HubCopy) -> None:
    """``wiki.test.raw``, line by line."""
    lines = (row.get("text", str) or EMPTY for row in tables.rows("rows"))
    write_bytes(folder / "wiki.test.raw", "".join(lines).encode())
