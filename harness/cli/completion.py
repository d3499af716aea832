"""What the shell offers at a tab: names of pruners, tasks and models, after the last comma.

The names are kept in the cache folder beside the list of installed plugins that gave them, for
importing plugins takes seconds. A name that a shell could read as more than a word is not offered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.plugin.manager import Plugins

WORD = re.compile(r"[\w.+@/-]+")
KINDS = {"pruners": "recipes", "tasks": "tasks", "models": "models"}


def pruners(incomplete: str) -> list[str]:
    return _fitting("pruners", incomplete)


def tasks(incomplete: str) -> list[str]:
    return _fitting("tasks", incomplete)


def models(incomplete: str) -> list[str]:
    return _fitting("models", incomplete)


def _fitting(kind: str, incomplete: str) -> list[str]:
    before, comma, word = incomplete.rpartition(",")
    names = [name for name in _names()[kind] if name.startswith(word) and WORD.fullmatch(name)]
    return [f"{before}{comma}{name}" for name in names]


def _names() -> dict[str, list[str]]:
    """Names by kind, from the cache if the same plugins are installed as then."""
    from harness.atomic import write_atomically
    from harness.cli.options import cache_folder
    from harness.plugin.installed import entry_points

    installed = [[d.name, d.version, e.name, e.value] for d, e in entry_points()]
    path = cache_folder() / "completion.json"
    kept = _read(path.read_bytes()) if path.is_file() else {}
    if kept.get("installed") == installed:
        return {kind: kept[kind] for kind in KINDS}
    names = dict(_given())
    write_atomically(path, json.dumps({"installed": installed, **names}).encode())
    return names


def _read(content: bytes) -> dict[str, Any]:
    """What was kept; nothing if the file holds something else."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and {*KINDS} <= {*found} else {}


def _given() -> Iterator[tuple[str, list[str]]]:
    from harness.cli.quiet import quiet_libraries
    from harness.cli.streams import stdout_of_our_own
    from harness.plugin.manager import load_plugins

    with stdout_of_our_own(), quiet_libraries(shown=False):
        found: Plugins = load_plugins()
    for kind, attribute in KINDS.items():
        yield kind, [provider.name for provider in getattr(found, attribute)]
