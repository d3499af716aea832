"""``harness models``: bundled models and model families."""

from __future__ import annotations

from harness.cli import options


def models(as_json: options.JsonOption = False) -> int:
    """List bundled models and the families that folders and hub ids are loaded by."""
    from harness.cli import render
    from harness.plugin.manager import load_plugins

    render.print_models(load_plugins(), as_json=as_json)
    return 0
