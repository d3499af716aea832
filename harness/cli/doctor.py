"""``harness doctor``: what is installed, tested and missing here, and what is broken."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import options
from harness.cli.border import shows_traceback

if TYPE_CHECKING:
    from harness.dependencies import Dependency
    from harness.doctor import Checkup

STATES = {"ok": "", "missing": "not installed", "outside": "outside its range"}


def doctor(results: options.ResultsOption = None, as_json: options.JsonOption = False) -> int:
    """Say what is installed, what was tested, what is missing for what, and what is broken.

    Ends with 1 if a plugin is broken, or something required is missing or outside its range.
    """
    from harness.cli import render
    from harness.cli.loading import load_plugins
    from harness.doctor import examine

    found = examine(load_plugins, _folders(results or options.RESULTS))
    if as_json:
        render.print_json({**dataclasses.asdict(found), "is_sound": found.is_sound})
    else:
        _print(found)
    return 0 if found.is_sound else 1


def _folders(results: Path) -> dict[str, Path]:
    """What lies where."""
    cache = options.cache_folder()
    hub = os.environ.get("HF_HUB_CACHE") or Path(
        os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface", "hub"
    )
    return {
        "results": results,
        "cache": cache,
        "data": cache / "full",
        "backends": cache / "backends",
        "hub models": Path(hub),
    }


def _print(found: Checkup) -> None:
    from harness.cli.screen import Head, stdout

    screen = stdout()
    for line in (found.harness, found.location, f"Python {found.python}", found.platform):
        screen.line(line)
    heads = [Head(head, is_whole=True) for head in ("distribution", "installed", "wants", "tested")]
    screen.table(heads, _dependencies(found))
    if found.lacks:
        screen.table(["does not work here", "why"], [(i.what, i.why) for i in found.lacks])
    screen.table(
        [Head("folder", is_whole=True), "where", Head("free", is_whole=True)],
        [
            (i.what, f"{i.path}{_state(i.exists, i.writable)}", _size(i.free_bytes))
            for i in found.folders
        ],
    )
    screen.table(
        [Head("device", is_whole=True), "model", "memory", "threads"],
        [(i.name, i.model, _size(i.memory_bytes), str(i.threads or "")) for i in found.devices],
    )
    screen.table(
        ["plugins of", "version", "plugins", "parts", "import", "slow to import"],
        [
            (
                i.distribution,
                i.version,
                str(i.plugins),
                str(i.parts),
                f"{i.seconds:.1f} s",
                ", ".join(f"{name} {seconds:.1f} s" for name, seconds in i.slow.items()),
            )
            for i in found.plugins
        ],
    )
    _print_wrong(found)


def _print_wrong(found: Checkup) -> None:
    """What makes the command end with 1."""
    from harness.cli.screen import stdout

    screen = stdout()
    for plugin in found.broken:
        told = f"{plugin.distribution} {plugin.version} ({plugin.plugin}): {plugin.reason}"
        screen.line(f"broken: {told}")
        if shows_traceback():
            screen.lines(plugin.traceback)
    for twice in found.twice:
        screen.line(f"twice: {twice}")
    for i in found.dependencies:
        if i.is_needed and i.state != "ok":
            screen.line(f"wrong: {i.of} needs {i.name}{i.wanted}, which is {_told(i)}")
    if found.is_sound:
        screen.line("nothing is broken")
    elif found.broken and not shows_traceback():
        screen.line("--traceback shows where plugins broke")


def _told(found: Dependency) -> str:
    seen = "" if found.installed is None else f" ({found.installed})"
    return f"{STATES[found.state]}{seen}"


def _dependencies(found: Checkup) -> Iterable[Sequence[str]]:
    for i in found.dependencies:
        extra = f" [{i.extra}]" if i.extra else ""
        yield (
            f"{i.name}{extra}",
            i.installed or "not installed",
            i.wanted or "any",
            i.tested or "not known",
        )


def _state(exists: bool, writable: bool) -> str:
    notes = [] if exists else ["not there yet"]
    notes += [] if writable else ["not writable"]
    return f" ({', '.join(notes)})" if notes else ""


def _size(count: int | None) -> str:
    return "not known" if count is None else f"{count / 2**30:.1f} GiB"
