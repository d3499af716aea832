"""``harness tasks``: which tasks there are and where their data comes from."""

from __future__ import annotations

from harness.cli import options


def tasks(as_json: options.JsonOption = False) -> int:
    """List the tasks, their metrics and where to get their full data."""
    from harness.cli import render
    from harness.plugin.manager import load_plugins

    render.print_tasks(load_plugins(), as_json=as_json)
    return 0
