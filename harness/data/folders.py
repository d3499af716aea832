"""Where a task's folder is, and which files of it count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from harness.contract import blamed, check_edition
from harness.errors import InputError
from harness.plugin import EditionInfo, Layout, Manifest, OfficialFile
from harness.plugin.manager import Plugins
from harness.spec import DataSpec

#: The lock file, beside the data.
LOCK = "harness-lock.json"
#: Told what is at hand, how much of it is done, and how much there is (0 = not known).
Report = Callable[[str, int, int], None]


def locate(task: str, data: DataSpec, edition: str, cache: Path, plugins: Plugins) -> EditionInfo:
    """Where a task's folder is or would be.

    Args:
        edition: The one to take if the spec names none.

    Raises:
        InputError: The edition has no such task.
    """
    base = task.partition(":")[0]
    if base in data.folders:
        return EditionInfo(path=data.folders[base], label="folder")
    if data.root is not None:
        return EditionInfo(path=data.root / base, label="folder")
    name = data.edition or edition
    provider = plugins.editions.get(name)
    with blamed(f"edition {name} of {provider.origin}"):
        found = check_edition(provider.given().provide(base, cache))
    if found is None:
        raise InputError(
            f"edition {name} has no task {base}; give its folder with --data {base}=DIR"
        )
    return found


def missing_files(manifest: Manifest, folder: Path) -> list[OfficialFile]:
    """What the folder lacks of the layout that a fetch makes, unless another one is complete."""
    missing = [
        [file for file in layout.required if not file.is_in(folder)] for layout in manifest.layouts
    ]
    return missing[0] if all(missing) else []


def miscounts(layout: Layout, folder: Path, examples: int) -> Iterator[tuple[Path, str]]:
    """What is wrong with the number of items in a folder and of lines in its texts, and where."""
    if layout.examples not in (None, examples):
        yield folder, f"{examples:,} items, not {layout.examples:,}"
    for file in layout.files:
        path = folder / file.path
        if file.lines is not None and path.is_file():
            with path.open("rb") as stream:
                lines = sum(1 for _ in stream)
            if lines != file.lines:
                yield path, f"{lines:,} lines, not {file.lines:,}"


def layout_files(manifest: Manifest, folder: Path) -> list[str]:
    """Relative paths of all files that the layout names, in order; hidden ones do not count."""
    named = {file.path for layout in manifest.layouts for file in layout.files}
    return sorted({path for name in named for path in _files_under(folder, name)})


def _files_under(folder: Path, name: str) -> Iterator[str]:
    path = folder / name
    found = path.rglob("*") if path.is_dir() else [path]
    for file in found:
        if file.is_file() and not file.name.startswith("."):
            yield file.relative_to(folder).as_posix()
