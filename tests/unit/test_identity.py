"""What decides a number enters its key: every module that a part runs, and nothing else."""

import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.asked import PartKind
from harness.errors import InputError
from harness.identity import BOOKKEEPING, CARRIERS, code_of, identify_part, machine_code
from harness.plugin.manager import Plugins, load_plugins
from harness.plugin.registry import Provider, Registry
from harness.sources import Sources

ROOT = Path(__file__).parents[2]
ROOTS = {"harness": ROOT, "harness_plugins": ROOT / "plugins", "harness_tasks": ROOT / "tasks"}
OWN = ("harness_plugins", "harness_tasks")
#: Imports one module after the other, each as if it were the first, and says what came with it.
LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m.startswith(("harness_plugins", "harness_tasks"))]:
        del sys.modules[loaded]
    importlib.import_module(name)
    print(name, *[m for m in sys.modules if m.startswith(("harness_plugins", "harness_tasks"))])
"""


def file_of(module: str) -> Path:
    path = ROOTS[module.partition(".")[0]].joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def modules_below(package: str) -> list[str]:
    """Every module of a package, by the files that lie there."""
    root = ROOTS[package.partition(".")[0]]
    found = (path.relative_to(root) for path in root.joinpath(*package.split(".")).rglob("*.py"))
    return sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in found)


def parts(plugins: Plugins) -> dict[str, Provider[Any]]:
    """A part of every module that has any."""
    kinds = (
        *(plugins.score_estimators, plugins.budget_allocators, plugins.local_pruners),
        *(plugins.searchers, plugins.model_families, plugins.tasks),
        *(plugins.calibration_sources, plugins.backends),
    )
    return {provider.given.__module__: provider for kind in kinds for provider in kind}


@cache
def loaded_with() -> Mapping[str, set[str]]:
    """Module of a part -> what Python itself had loaded when it was imported."""
    names = sorted(parts(load_plugins()))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED, *names],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    return {name: set(found) for name, *found in lines}


def reachable(module: str) -> set[str]:
    """All that `modulefinder` finds behind a module's bytecode, type checkers' imports included."""
    finder = ModuleFinder([str(root) for root in ROOTS.values()])
    finder.import_hook(module, None, ["*"])
    return {name for name in finder.modules if name.startswith(OWN)}


@cache
def content(path: Path) -> bytes:
    return path.read_bytes()


class Edited(Sources):
    """The files as they are, but for one that has a line more; found once for all tests."""

    places: ClassVar[dict[str, Any]] = {}

    def __init__(self, path: Path) -> None:
        super().__init__(lambda file: content(file) + b"\n# edited" * (file == path))
        self._specs = self.places


@cache
def digests(path: Path = Path()) -> dict[str, str]:
    """Module of a part -> digest of its code, with one file edited."""
    found = Edited(path)
    told = {name: code_of(part, found).digest for name, part in parts(load_plugins()).items()}
    return told | {"machine": machine_code(found).digest}


def changed_by(module: str) -> set[str]:
    now = digests.__wrapped__(file_of(module))
    return {name for name, digest in now.items() if digest != digests()[name]}


@pytest.mark.parametrize("package", OWN)
def test_an_edit_of_any_module_is_another_key_for_the_parts_that_import_it(package: str) -> None:
    """What Python loads with a part has to count, and nothing that it could never reach."""
    before = loaded_with()
    behind = {name: reachable(name) for name in before}
    for module in modules_below(package):
        changed = changed_by(module)

        assert {name for name, found in before.items() if module in found} <= changed, module
        assert changed <= {name for name, found in behind.items() if module in found} | {
            "harness_plugins.lavis"  # imports by names that are computed: all may be meant
        }, module


def test_imports_inside_functions_count() -> None:
    """Families take their own modules late; `modulefinder` and the syntax tree agree on them."""
    late = "harness_plugins.families.blip.nlvr_module"

    assert late not in loaded_with()["harness_plugins.families.blip"]
    assert "harness_plugins.families.blip" in changed_by(late)


COMPUTING = """
    activations asking backward budget calibration composition dense eval_cell evaluation grid masks
    model patch prune_cell pruning scoring session statistics structure subsets tasks training walk
    plugin.apportion plugin.images plugin.samples plugin.selection plugin.means plugin.pool
""".split()


@pytest.mark.parametrize("room", COMPUTING)
def test_an_edit_of_a_room_that_computes_is_another_key(room: str) -> None:
    assert "machine" in changed_by(f"harness.{room}")


@pytest.mark.parametrize("package", ["harness.cli", "harness.leaderboard", "harness.errors"])
def test_an_edit_of_the_command_line_or_of_a_report_changes_no_key(package: str) -> None:
    for module in modules_below(package) or [package]:
        assert not changed_by(module)


def test_every_room_that_a_cell_loads_computes_or_is_said_not_to() -> None:
    code = "import sys, harness.prune_cell, harness.eval_cell; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name for name in done.stdout.split() if name.partition(".")[0] == "harness"}

    aside = {name for name in rooms if any(f"{name}.".startswith(f"{b}.") for b in BOOKKEEPING)}
    assert rooms - aside <= machine_code(Sources()).files.keys()
    assert all(find_spec(name) for name in BOOKKEEPING)


def test_every_part_stands_in_a_key_with_its_code() -> None:
    plugins = load_plugins()
    kinds: dict[PartKind, Registry[Any]] = {
        "score": plugins.score_estimators,
        "budget": plugins.budget_allocators,
        "local": plugins.local_pruners,
        "family": plugins.model_families,
        "task": plugins.tasks,
        "calibration": plugins.calibration_sources,
    }
    for kind, registry in kinds.items():
        for provider in registry:
            source = identify_part(kind, provider).source
            assert source == digests()[provider.given.__module__] != "", provider.name


def test_libraries_that_compute_stand_with_a_part_by_version(plugins: Plugins) -> None:
    def libraries(kind: Any, part: Provider[Any]) -> set[str]:
        return set(identify_part(kind, part).libraries)

    assert libraries("task", plugins.tasks.get("nocaps")) == {"pycocoevalcap"}
    assert {"torch", "transformers"} <= libraries("family", plugins.model_families.get("vit"))
    if find_spec("timm"):
        assert "timm" in libraries("family", plugins.model_families.get("timm"))
    assert not libraries("calibration", plugins.calibration_sources.get("pairs"))
    assert not CARRIERS & libraries("local", plugins.local_pruners.get("sparsegpt"))


def test_a_class_of_no_file_is_refused(plugins: Plugins) -> None:
    origin = next(iter(plugins.tasks)).origin
    made = type("Made", (), {"name": "made", "__module__": "typed_by_hand"})

    with pytest.raises(
        InputError, match="made of .* is of module typed_by_hand, which has no file"
    ):
        code_of(Provider(name="made", given=made, origin=origin), Sources())
