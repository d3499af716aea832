"""What plugins give, for people: names, parts with their options, and recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.cli import render
from harness.cli.border import shows_traceback
from harness.cli.screen import stderr, stdout
from harness.composition import options_of

if TYPE_CHECKING:
    from harness.plugin import Recipe
    from harness.plugin.manager import BrokenPlugin, Plugins
    from harness.plugin.registry import Origin

#: Where names stand beside their kind.
KIND_WIDTH = 22


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
    _print_names(rows)
    stdout().paragraph(
        "--options tells what parts and calibration sources do and take, "
        "--recipes what pruners are made of"
    )
    print_broken(found.broken)


def _print_names(rows: Iterable[tuple[str, str, Origin]]) -> None:
    """What each distribution gives, by kind."""
    by_origin: dict[str, dict[str, list[str]]] = {}
    for kind, name, origin in rows:
        kinds = by_origin.setdefault(f"{origin.distribution} {origin.version}", {})
        kinds.setdefault(kind, []).append(name)
    screen = stdout()
    for distribution, kinds in by_origin.items():
        screen.line(distribution)
        for kind, names in kinds.items():
            screen.beside(kind, ", ".join(names), indent=KIND_WIDTH)


def print_broken(plugins: Sequence[BrokenPlugin]) -> None:
    """Plugins that were set aside and why, on stderr."""
    for plugin in plugins:
        stderr().line(f"broken: {plugin.origin}: {plugin.reason}")
        if shows_traceback():
            stderr().lines(plugin.traceback)


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
    screen = stdout()
    for registry in kinds:
        screen.line(f"{registry.kind}s")
        for provider in registry:
            screen.line(f"  {provider.name}")
            screen.paragraph(first_line(provider.given), indent=6)
            options = options_of(provider.given).items()
            words = [f"{name}={'' if value is None else value}" for name, value in options]
            if words:
                screen.paragraph(" ".join(words), indent=6)


def first_line(part: object) -> str:
    """What a part says of itself."""
    return (part.__doc__ or "").partition("\n")[0].replace("``", "`").replace(r"\|", "|")


def print_recipes(found: Plugins, *, as_json: bool) -> None:
    """Recipes with what they are made of."""
    recipes = [provider.given for provider in found.recipes]
    if as_json:
        render.print_json([dataclasses.asdict(recipe) for recipe in recipes])
        return
    screen = stdout()
    for recipe in recipes:
        screen.line(recipe.name)
        screen.paragraph(recipe.paper, indent=4)
        for words in _made_of(recipe):
            screen.paragraph(words, indent=4)


def _made_of(recipe: Recipe) -> list[str]:
    """A recipe in the notation of --pruner; a line more for each family with its own settings."""
    words = [f"score={recipe.score}"] if recipe.score else []
    if recipe.local:
        words += [f"budget={recipe.budget}", f"local={'+'.join(recipe.local)}"]
    words += [f"search={recipe.search}"] if recipe.search else []
    words += [f"{key}={value}" for key, value in recipe.settings.items()]
    if recipe.headroom is not None:
        words.append(f"p_max=p+{recipe.headroom:g}")
    if recipe.rounds > 1:
        words.append(f"in {recipe.rounds} rounds")
    families = [
        f"{family}: {' '.join(f'{key}={value}' for key, value in settings.items())}"
        for family, settings in recipe.family_settings.items()
    ]
    return [" ".join(words), *families] if words else families
