"""``harness plugins``: what is installed, from where, and what is broken."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import options


def plugins(
    recipes: Annotated[bool, typer.Option("--recipes", help="Recipes with their papers.")] = False,
    parts: Annotated[
        bool, typer.Option("--options", help="Parts and calibration sources with their options.")
    ] = False,
    as_json: options.JsonOption = False,
) -> int:
    """List what the installed plugins give, and the plugins that were set aside."""
    from harness.cli import parts as tables
    from harness.cli.loading import load_plugins

    found = load_plugins()
    if recipes:
        tables.print_recipes(found, as_json=as_json)
    elif parts:
        tables.print_part_options(found, as_json=as_json)
    else:
        tables.print_plugins(found, as_json=as_json)
    return 1 if found.broken else 0
