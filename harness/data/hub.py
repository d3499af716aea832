"""Hub copies: their parquet files, from a local folder or from the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from harness.data.folders import Report
from harness.errors import DataError, InputError
from harness.plugin import HubCopy, HubTable, Manifest, Row, brief, listed, why_outside

#: Rows in memory at a time; a row may hold an image.
ROWS = 64


@dataclass(frozen=True, kw_only=True)
class OpenCopy:
    """A hub copy whose files are on this machine."""

    copy: HubCopy
    tables: ParquetTables
    source: str
    """Where it is from, for the lock file."""


class ParquetTables:
    """`HubTables` on local parquet files; needs pyarrow."""

    def __init__(self, copy: HubCopy, files: Mapping[str, Sequence[Path]]) -> None:
        self._columns = {table.name: table.columns for table in copy.tables}
        self._files = files

    def rows(self, table: str) -> Iterator[Row]:
        return self._read(table, None)

    def fields(self, table: str, *columns: str) -> Iterator[Row]:
        return self._read(table, columns)

    def _read(self, table: str, columns: Sequence[str] | None) -> Iterator[Row]:
        for path in self._files[table]:
            number = 0
            for batch in _batches(path, columns):
                for content in batch:
                    row = Row(content, path, f"row {number}")
                    _refuse_empty(row, columns or self._columns[table])
                    yield row
                    number += 1

    def class_names(self, table: str, column: str) -> Sequence[str]:
        path = self._files[table][0]
        metadata = _parquet(path).schema_arrow.metadata or {}
        try:
            found = json.loads(metadata.get(b"huggingface", b"{}"))
        except (ValueError, RecursionError) as error:
            raise DataError(path, f"its metadata are not JSON ({error})") from None
        place = Row(found, path, "its metadata")
        for key in ("info", "features", column):
            if key not in place:
                return []
            place = place.child(key)
        return place.texts("names") if "names" in place else []


def _batches(path: Path, columns: Sequence[str] | None) -> Iterator[list[Any]]:
    """Rows as dictionaries, `ROWS` at a time."""
    batches = _parquet(path).iter_batches(batch_size=ROWS, columns=columns)
    while True:
        try:
            batch = next(batches, None)
            rows = None if batch is None else batch.to_pylist()
        except (OSError, ValueError) as error:  # ArrowInvalid and UnicodeDecodeError are the latter
            told = brief(str(error).partition("\n")[0])
            raise DataError(path, f"not a readable parquet file ({told})") from None
        if rows is None:
            return
        yield rows


def _refuse_empty(row: Row, columns: Sequence[str]) -> None:
    for column in columns:
        value = row[column]
        if value is None or (isinstance(value, dict) and value.get("bytes", b"") is None):
            raise row.fault(f"column {column!r} is empty")


def open_local(manifest: Manifest, folder: Path, *, part: bool) -> OpenCopy:
    """The first of the manifest's copies whose files are under `folder`.

    Raises:
        InputError: The task has no hub copy that could be converted.
        DataError: A file, a column or rows are missing; it names them.
    """
    if not folder.is_dir():
        raise DataError(folder, "no such folder")
    if not manifest.hub:
        raise InputError(
            f"{manifest.task} has no hub copy to convert; {manifest.by_hand('its folder')}"
        )
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.parquet"))]
    for copy in manifest.hub:
        if all(_files_of(table, names) for table in copy.tables):
            tables = _open(copy, folder, names, part=part)
            return OpenCopy(copy=copy, tables=tables, source=f"local files of {copy.repo}")
    wanted = " or ".join(
        ", ".join(_pattern(table) for table in copy.tables) for copy in manifest.hub
    )
    raise DataError(folder, f"holds {len(names)} parquet files, none of them {wanted}")


def open_remote(manifest: Manifest, store: Path, report: Report, *, part: bool) -> OpenCopy:
    """Download the first copy that can be had, under any of its names.

    No token is sent unless a copy is gated.

    Raises:
        ConnectionError: None can be had; it says why.
        DataError: What was loaded is not what the manifest says.
    """
    reasons = []
    named = [(copy, *name) for copy in manifest.hub for name in copy.names.items()]
    for copy, repo, commit in named:
        root = store / repo.replace("/", "--")
        try:
            source, names = _download(repo, commit, copy, root, report)
        except (OSError, ValueError) as error:
            first = str(error).strip().partition("\n")[0]
            reasons.append(f"{repo}: {first or type(error).__name__}")
            report(f"not from {reasons[-1]}", 0, 0)
        else:
            return OpenCopy(copy=copy, tables=_open(copy, root, names, part=part), source=source)
    raise ConnectionError("; ".join(reasons))


def _download(
    repo: str, commit: str, copy: HubCopy, store: Path, report: Report
) -> tuple[str, list[str]]:
    from huggingface_hub import HfApi, hf_hub_download

    token = None if copy.gated else False
    info = HfApi(token=token).dataset_info(repo, revision=commit or None)
    offered = [sibling.rfilename for sibling in info.siblings]
    names = sorted({name for table in copy.tables for name in _files_of(table, offered)})
    if not names:
        raise ValueError(f"holds no {', '.join(_pattern(table) for table in copy.tables)}")
    for done, name in enumerate(names):
        if why := why_outside(name):
            raise ValueError(f"its file {brief(name)} {why}")
        report(f"{repo} {PurePosixPath(name).name}", done, len(names))
        hf_hub_download(
            repo, name, repo_type="dataset", revision=info.sha, local_dir=store, token=token
        )
    return f"hub {repo}@{info.sha}", names


def _pattern(table: HubTable) -> str:
    return f"{table.config}/{table.split}-*.parquet".lstrip("/")


def _files_of(table: HubTable, names: Sequence[str]) -> list[str]:
    """Those of a table: ``[config/]split-….parquet`` or ``[config/]split/….parquet``."""
    return [name for name in sorted(names) if _belongs(PurePosixPath(name), table)]


def _belongs(path: PurePosixPath, table: HubTable) -> bool:
    *folders, _ = path.parts
    in_split = table.split in (path.stem, *folders) or path.stem.startswith(f"{table.split}-")
    in_config = not table.config or table.config in folders
    return path.suffix == ".parquet" and in_split and in_config


def _open(copy: HubCopy, root: Path, names: Sequence[str], *, part: bool) -> ParquetTables:
    files = {table.name: [root / n for n in _files_of(table, names)] for table in copy.tables}
    for table in copy.tables:
        _check(table, files[table.name], copy, part=part)
    return ParquetTables(copy, files)


def _check(table: HubTable, paths: Sequence[Path], copy: HubCopy, *, part: bool) -> None:
    rows = 0
    for path in paths:
        opened = _parquet(path)
        columns = opened.schema_arrow.names
        for column in table.columns:
            if column not in columns:
                raise DataError(path, f"column {column!r} is missing; it has {listed(columns)}")
        rows += opened.metadata.num_rows
    if table.rows is not None and rows != table.rows and not part:
        raise DataError(
            paths[0].parent,
            f"{rows:,} rows in the files of {_pattern(table)}, not the {table.rows:,} of "
            f"{copy.repo}; if they are a part on purpose, say --part",
        )


def why_no_parquet() -> str:
    """Why hub copies cannot be read here; empty if they can."""
    if find_spec("pyarrow") is not None:
        return ""
    return "hub copies need pyarrow: pip install 'pruning-harness[data]'"


def _parquet(path: Path) -> Any:
    if why := why_no_parquet():
        raise InputError(why)
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path)
    except (OSError, ValueError) as error:
        told = brief(str(error).partition("\n")[0])
        raise DataError(path, f"not a readable parquet file ({told})") from None
