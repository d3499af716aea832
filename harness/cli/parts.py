"""Tables of what plugins give: parts with their origin, with their options, and recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from harness.cli import render
from harness.cli.border import shows_traceback
from harness.composition import options_of

if TYPE_CHECKING:
    from harness.plugin import Recipe
    from harness.plugin.manager import BrokenPlugin, Plugins


def print_plugins(found: Plugins, *, as_json: bool) -> None:
    """Every provider with its origin; broken plugins with their reason."""
    rows = [
        (registry.kind, provider.name, provider.origin)
        for registry in found.registries()
        for provider in registry
    ]
    if as_json:
        given = [
            {
                "kind": kind,
                "name": name,
                "plugin": origin.plugin,
                "distribution": origin.distribution,
                "version": origin.version,
            }
            for kind, name, origin in rows
        ]
        broken = [{"plugin": str(b.origin), "reason": b.reason} for b in found.broken]
        print_broken(found.broken)
        render.print_json({"plugins": given, "broken": broken})
        return
    table = Table("kind", "name", "plugin", "distribution")
    for kind, name, origin in rows:
        table.add_row(kind, name, origin.plugin, f"{origin.distribution} {origin.version}")
    render.stdout().print(table)
    print_broken(found.broken)


def print_broken(plugins: Sequence[BrokenPlugin]) -> None:
    """Plugins that were set aside and why, on stderr."""
    for plugin in plugins:
        render.stderr().print(
            f"broken: {plugin.origin}: {plugin.reason}", markup=False, soft_wrap=True
        )
        if shows_traceback():
            render.stderr().print(plugin.traceback, markup=False, soft_wrap=True)


def print_part_options(found: Plugins, *, as_json: bool) -> None:
    """Parts of pruners and calibration sources: what each is, and its options with defaults."""
    kinds = (
        found.score_estimators,
        found.budget_allocators,
        found.local_pruners,
        found.searchers,
        found.calibration_sources,
    )
    if as_json:
        rows = [
            {
                "kind": registry.kind,
                "name": provider.name,
                "about": first_line(provider.given),
                "options": options_of(provider.given),
            }
            for registry in kinds
            for provider in registry
        ]
        render.print_json(rows)
        return
    for registry in kinds:
        table = Table()
        table.add_column(registry.kind, no_wrap=True)
        table.add_column("options", overflow="fold", min_width=20)
        table.add_column("about")
        for provider in registry:
            options = options_of(provider.given).items()
            words = "\n".join(f"{name}={'' if x is None else x}" for name, x in options)
            table.add_row(provider.name, escape(words), escape(first_line(provider.given)))
        render.stdout().print(table)


def first_line(part: object) -> str:
    """What a part says of itself."""
    return (part.__doc__ or "").partition("\n")[0]


def print_recipes(found: Plugins, *, as_json: bool) -> None:
    """Recipes with what they are made of."""
    recipes = [provider.given for provider in found.recipes]
    if as_json:
        render.print_json([dataclasses.asdict(recipe) for recipe in recipes])
        return
    table = Table()
    table.add_column("recipe", no_wrap=True)
    table.add_column("made of")
    table.add_column("paper")
    for recipe in recipes:
        table.add_row(recipe.name, _made_of(recipe), recipe.paper)
    render.stdout().print(table)


def _made_of(recipe: Recipe) -> str:
    """A recipe in the notation of --pruner, a word to a line."""
    words = [f"score={recipe.score}"] if recipe.score else []
    if recipe.local:
        words += [f"budget={recipe.budget}", f"local={'+'.join(recipe.local)}"]
    words += [f"search={recipe.search}"] if recipe.search else []
    words += [f"{key}={value}" for key, value in recipe.settings.items()]
    if recipe.headroom is not None:
        words.append(f"p_max=p+{recipe.headroom:g}")
    if recipe.rounds > 1:
        words.append(f"in {recipe.rounds} rounds")
    for family, settings in recipe.family_settings.items():
        words += [f"{family}: {key}={value}" for key, value in settings.items()]
    return "\n".join(words)
