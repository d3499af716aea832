"""Plugins are found by entry point; duplicates are refused, broken ones set aside."""

import importlib
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness.errors import DuplicateNameError, UnknownNameError
from harness.plugin import Recipe, hookimpl, installed, manager
from harness.plugin.registry import Provider


def module(name: str, **hooks: Any) -> ModuleType:
    made = ModuleType(name)
    for hook, function in hooks.items():
        setattr(made, hook, hookimpl(function))
    return made


def install(monkeypatch: pytest.MonkeyPatch, *given: tuple[str, Any]) -> None:
    """Pretend that these (distribution, module or error) are installed."""

    def entry(name: str, found: Any) -> Any:
        def load() -> Any:
            if isinstance(found, Exception):
                raise found
            return found

        return SimpleNamespace(name=f"plugin-{name}", group="harness", value=name, load=load)

    found = [
        (SimpleNamespace(name=name, version="1.0"), entry(name, content)) for name, content in given
    ]
    monkeypatch.setattr(manager, "entry_points", lambda: found)


RECIPE = Recipe(name="mine", paper="", local=("wanda",))


def test_a_name_given_twice_belongs_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    first = module("first", harness_recipes=lambda: [RECIPE])
    second = module("second", harness_recipes=lambda: [RECIPE])
    install(monkeypatch, ("dist-one", first), ("dist-two", second))

    plugins = manager.load_plugins()

    with pytest.raises(DuplicateNameError, match="dist-one 1.0.*dist-two 1.0"):
        plugins.recipes.get("mine")


def test_a_plugin_that_cannot_be_imported_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    good = module("good", harness_recipes=lambda: [RECIPE])
    install(monkeypatch, ("bad", ImportError("no module named x")), ("good", good))

    plugins = manager.load_plugins()

    assert plugins.recipes.get("mine").origin.distribution == "good"
    assert [b.origin.distribution for b in plugins.broken] == ["bad"]
    assert plugins.broken[0].reason.startswith("ImportError: no module named x")
    assert "ImportError" in plugins.broken[0].traceback


def test_a_misspelt_hook_is_named_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("bad", module("bad", harness_recipe=lambda: [RECIPE])))

    plugins = manager.load_plugins()

    assert plugins.broken[0].reason == (
        "there is no hook 'harness_recipe'; did you mean harness_recipes?"
    )


def test_a_hook_with_an_unknown_argument_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("bad", module("bad", harness_recipes=lambda colour: [RECIPE])))

    plugins = manager.load_plugins()

    assert plugins.broken[0].reason == (
        "hook harness_recipes is written with an argument 'colour'; it takes no arguments"
    )


def test_a_provider_that_raises_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises() -> list[Recipe]:
        raise RuntimeError("half way")

    class Whole:
        name = "whole"

    bad = module("bad", harness_recipes=raises, harness_tasks=lambda: [Whole])
    install(monkeypatch, ("bad", bad))

    plugins = manager.load_plugins()

    assert plugins.broken[0].reason.startswith("RuntimeError: half way")
    assert "whole" not in plugins.tasks


def test_a_class_without_a_name_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("bad", module("bad", harness_tasks=lambda: [object])))

    assert "has no `name`" in manager.load_plugins().broken[0].reason


def test_an_unknown_name_lists_near_matches(plugins: manager.Plugins) -> None:
    with pytest.raises(UnknownNameError, match="unknown pruner 'ecoflp'; did you mean ecoflap"):
        plugins.recipes.get("ecoflp")


def test_an_entry_point_on_two_paths_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="a", value="b", group="harness")
    twice = [SimpleNamespace(name="d", version="1", entry_points=[point]) for _ in range(2)]
    monkeypatch.setattr(installed, "distributions", lambda: twice)

    assert len(installed.entry_points()) == 1


def test_everything_bundled_loads(plugins: manager.Plugins) -> None:
    assert not plugins.broken
    assert {p.name for p in plugins.recipes} >= {"dense", "random", "magnitude", "wanda", "ecoflap"}
    assert {p.name for p in plugins.model_families} >= {"blip2", "blip", "causal-lm", "vit"}


def test_the_source_digest_follows_the_file(plugins: manager.Plugins) -> None:
    wanda, magnitude = (plugins.local_pruners.get(name) for name in ("wanda", "magnitude"))

    assert wanda.source_digest() == plugins.local_pruners.get("wanda").source_digest()
    assert wanda.source_digest() != magnitude.source_digest()


def test_the_source_digest_follows_the_files_that_it_is_made_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A part that derives from another of its package is edited when that one is."""
    package = tmp_path / "harness_made"
    package.mkdir()
    for name, content in {
        "__init__": "",
        "clean": "class Clean: name = 'clean'",
        "quirk": "from harness_made.clean import Clean\nclass Quirk(Clean): name = 'quirk'",
        "other": "class Other: name = 'other'",
    }.items():
        (package / f"{name}.py").write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    origin = manager.Origin(plugin="p", distribution="d", version="1")

    def digest(name: str) -> str:
        given = getattr(importlib.import_module(f"harness_made.{name}"), name.capitalize())
        return Provider(name=name, given=given, origin=origin).source_digest()

    before = {name: digest(name) for name in ("clean", "quirk", "other")}
    (package / "clean.py").write_text("class Clean: name = 'better'")
    after = {name: digest(name) for name in before}

    assert [name for name in before if before[name] != after[name]] == ["clean", "quirk"]
