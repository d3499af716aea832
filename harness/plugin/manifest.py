"""Where a task's real data comes from, what its folder holds, and how that is told to people.

A manifest is data: a task has one as its ``manifest``, written as a TOML file or in place. What is
not known is left out; `harness data fetch` and `verify` measure it and keep it in a lock file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.errors import DataError
from harness.plugin.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialFile:
    """A file or a folder (its path ends with ``/``) of the official layout."""

    path: str
    """Relative to the task's folder."""
    url: str = ""
    """Where to download it, or the zip or tar archive that holds it; empty = only by hand."""
    member: str = ""
    """Its name inside the archive, if that is not `path`."""
    size: int | None = None
    """Bytes of the download."""
    sha256: str = ""
    """Of the download."""
    lines: int | None = None
    """Of a text file."""
    optional: bool = False
    """Whether the layout does without it."""

    def is_in(self, folder: Path) -> bool:
        """Whether it is there; a folder has to hold something."""
        path = folder / self.path
        return path.is_file() or (path.is_dir() and any(path.iterdir()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Files that are read together, told from other layouts by the first of them."""

    files: tuple[OfficialFile, ...]
    name: str = ""
    """What stands in the column, since other files may be other data; empty = a fetch makes it."""
    examples: int | None = None
    """How many items the whole split gives; None = nobody says."""
    yields: bool = False
    """Whether it is read only where no layout is that does not yield."""

    @property
    def required(self) -> list[OfficialFile]:
        return [file for file in self.files if not file.optional]

    @property
    def is_counted(self) -> bool:
        """Whether a part of the split can be told from the whole."""
        return self.examples is not None or any(file.lines is not None for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubTable:
    """One split of a hub copy, as parquet files ``[config/]split-*.parquet``."""

    split: str
    columns: tuple[str, ...]
    """Those that the conversion needs, in the order that it expects."""
    name: str = "rows"
    """What the conversion calls it."""
    config: str = ""
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCopy:
    """A copy on the Hugging Face hub, which is converted into the official layout."""

    repo: str
    tables: tuple[HubTable, ...]
    convert: str
    """``module:function``, called with `HubTables`, the folder to write to and this copy."""
    aliases: tuple[str, ...] = ()
    """Other names of the same content, tried in turn; ``NAME@COMMIT`` is fetched at that commit."""
    revision: str = ""
    """Commit of `repo`; empty = not pinned, what was fetched is written into the lock file."""
    gated: bool = False
    """Whether its terms have to be accepted with an account."""
    lacks: str = ""
    """What the official data has and this copy has not."""

    @property
    def names(self) -> dict[str, str]:
        """All names with their commits, in the order in which they are tried."""
        others = (alias.partition("@") for alias in self.aliases)
        return {self.repo: self.revision, **{name: commit for name, _, commit in others}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A task's data: official layout, copies, licence and size."""

    task: str
    title: str
    page: str
    """Where people find it."""
    licence: str = ""
    examples: int | None = None
    """How many items the whole evaluation split gives, in the layout that a fetch makes."""
    files: tuple[OfficialFile, ...] = ()
    """Of the layout that a fetch makes."""
    others: tuple[Layout, ...] = ()
    """Layouts that are read as well."""
    hub: tuple[HubCopy, ...] = ()
    gated: bool = False
    """Whether the official files need an account or a form."""
    note: str = ""
    """A sentence on what to mind."""

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """That which a fetch makes, and the others."""
        return (Layout(files=self.files, examples=self.examples), *self.others)

    @property
    def required(self) -> list[OfficialFile]:
        """What a fetch has to bring."""
        return self.layouts[0].required

    def layout_in(self, folder: Path) -> Layout:
        """The layout that a folder holds.

        Raises:
            DataError: It holds none, or more than one.
        """
        if not self.others:
            return self.layouts[0]
        if not folder.is_dir():
            raise DataError(folder, "no such folder")
        found = [layout for layout in self.layouts if layout.files[0].is_in(folder)]
        if not found:
            names = ", ".join(layout.files[0].path for layout in self.layouts)
            raise DataError(folder, f"holds none of {names}")
        found = [layout for layout in found if not layout.yields] or found
        if len(found) > 1:
            names = _listed([layout.files[0].path for layout in found])
            raise DataError(folder, f"holds {names}, which may be different data; keep one of them")
        return found[0]

    @property
    def is_fetchable(self) -> bool:
        has_urls = bool(self.required) and all(file.url for file in self.required)
        return bool(self.hub) or has_urls

    def instructions(self) -> str:
        """One message: where to get the data, where to put it, which command does both."""
        way = f"`harness data fetch {self.task}` gets it, or " if self.is_fetchable else ""
        return f"{self.title}: {way}{self.by_hand('that folder')}"

    def by_hand(self, folder: str) -> str:
        """The way without that command, and what to mind."""
        every = [[file.path for file in layout.required] for layout in self.layouts]
        layouts = [_listed(paths) for paths in every if paths]
        put = f" and put {', or '.join(layouts)} into {folder}" if layouts else ""
        sentences = [f"get it from {self.page}{put}", _gate(self), self.note]
        return ". ".join(sentence.rstrip(".") for sentence in sentences if sentence)


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _gate(manifest: Manifest) -> str:
    if not manifest.gated:
        return ""
    gated = [copy.repo for copy in manifest.hub if copy.gated]
    account = f"; for {gated[0]} on the hub that is `hf auth login`" if gated else ""
    return f"Its terms have to be accepted with an account first{account}"


class HubTables(Protocol):
    """A hub copy that is open for reading; columns and row counts are checked."""

    def rows(self, table: str) -> Iterator[Row]:
        """The rows, one after the other; an image is ``{"bytes": …, "path": …}``."""
        ...

    def fields(self, table: str, *columns: str) -> Iterator[Row]:
        """The same rows with those columns alone.

        Quick where no image is among them, so that every name is checked before a byte is written.
        """
        ...

    def class_names(self, table: str, column: str) -> Sequence[str]:
        """The names of a column of class indices; empty where the files do not say them."""
        ...


def read_manifest(path: Path) -> Manifest:
    """A manifest from a TOML file, whose keys are the fields above.

    Raises:
        DataError: A key is unknown, missing or of the wrong type.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

    from harness.wording import explain

    strict = with_config(ConfigDict(extra="forbid"))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(strict(Manifest)).validate_python(content)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DataError(path, f"not readable as TOML ({error})") from None
    except ValidationError as error:
        raise DataError(path, explain(error, Manifest)) from None
