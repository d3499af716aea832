"""Budgets that a file holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.budget import allocate, make_target
from harness.composition import compose
from harness.errors import DataError, HarnessError, InfeasibleError, InputError, UnknownNameError
from harness.plugin.manager import Plugins
from harness.spec import PrunerSpec
from harness.testing import check_budget_allocator, toy_layers
from harness_plugins.methods.from_file import FromFile

LAYERS = toy_layers()
"""96 and 96 weights in a.0, 48 in a.1, 64 and 32 in b.0: 336 in all."""
COUNTS = {"a.0.0": 48, "a.0.1": 40, "a.1.2": 32, "b.0.3": 16, "b.0.4": 32}
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def made(content: Any, name: str = "budget.yaml") -> str:
        path = tmp_path / name
        text = json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content)
        path.write_text(content if isinstance(content, str) else text)
        return str(path)

    return made


def budget(path: str, sparsity: float = 0.5, p_max: float | None = None) -> dict[str, int]:
    target = make_target(LAYERS, sparsity, p_max, None)
    return dict(allocate(FromFile(path), None, LAYERS, target).keep)


def test_the_contract(write: Write) -> None:
    check_budget_allocator(FromFile(write({"a": 0.25, "b": 0.75})))


@pytest.mark.parametrize("name", ["budget.json", "budget.yaml", "budget"])
def test_keep_counts_are_taken_as_they_are(write: Write, name: str) -> None:
    assert budget(write(COUNTS, name)) == COUNTS


def test_parameters_stand_for_layers(write: Write) -> None:
    assert budget(write({f"{name}.weight": count for name, count in COUNTS.items()})) == COUNTS


def test_a_record_is_replayed(write: Write) -> None:
    assert budget(write({"asked": {}, "got": {"budget": COUNTS}}, "record.json")) == COUNTS


def test_sparsities_of_towers_blocks_and_layers(write: Write) -> None:
    """The layer goes before its block, the block before its tower: 96, 24 + 24, 16 and 8 stay."""
    path = write({"a": 0.5, "a.0": 0.75, "a.0.0.weight": 0, "b": 0.75})

    assert budget(path, 1 - 168 / 336) == {
        "a.0.0": 96,
        "a.0.1": 24,
        "a.1.2": 24,
        "b.0.3": 16,
        "b.0.4": 8,
    }


def test_sparsities_are_in_proportion_where_they_miss_the_total(write: Write) -> None:
    """60 % and 20 % of 240 and 96 weights are 163.2; a quarter of that, 40.8 up to 42, stays."""
    kept = budget(write({"a": 0.4, "b": 0.8}), 0.875)

    assert sum(kept.values()) == 42
    assert kept["b.0.3"] + kept["b.0.4"] == pytest.approx(42 * 19.2 / 163.2, abs=1)


def test_sparsities_respect_the_cap(write: Write) -> None:
    kept = budget(write({"a": 0.0, "b": 1.0}), 0.5, 0.75)

    assert (kept["b.0.3"], kept["b.0.4"]) == (16, 8)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (COUNTS | {"b.0.4": 31}, InfeasibleError, "keeps 167 weights in all.*0.5 is 168"),
        (COUNTS | {"b.0.4": 33}, InfeasibleError, "b.0.4: 33 weights;.*allow 0 to 32"),
        ({"a.0.0": 48}, InputError, r"says nothing of 4 layers: a\.0\.1, a\.1\.2, b\.0\.3, …"),
        ({"a": 0.5}, InputError, r"says nothing of 2 layers: b\.0\.3, b\.0\.4"),
        (COUNTS | {"a.0.9": 1}, UnknownNameError, "'a.0.9'; did you mean a.0.1"),
        ({"a": 1, "b": 0}, UnknownNameError, "unknown layer with a keep count 'a'"),
        ({"a": 0.5, "c": 0.5}, UnknownNameError, "unknown layer, block or tower 'c'"),
        ({"a": 0.5, "b": 1.5}, DataError, r"yaml, b: 1.5 is no sparsity in \[0, 1\]"),
        ({"a": 0.5, "b": float("nan")}, DataError, "b: nan is no sparsity"),
        ({"a": 0.5, "b": "half"}, DataError, "b: 'half' is no number"),
        ({"a": True}, DataError, "a: True is no number"),
        ([0.5], DataError, "holds no mapping"),
        ({}, DataError, "holds no mapping"),
        ({"got": {"masks": ""}}, DataError, "holds no mapping"),
        ("a: [", DataError, "is neither JSON nor YAML"),
    ],
)
def test_what_a_file_can_have_wrong(
    write: Write, content: Any, error: type[HarnessError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        budget(write(content))

    assert "\n" not in str(caught.value)


def test_what_the_file_holds_is_the_identity(write: Write, plugins: Plugins) -> None:
    def identity(path: str) -> Any:
        spec = PrunerSpec(budget="from-file", local=("wanda",), settings={"budget.path": path})
        return compose(spec, plugins).parts[0]

    one = identity(write({"a": 0.5, "b": 0.5}))
    moved = identity(write({"a": 0.5, "b": 0.5}, "other.yaml"))
    edited = identity(write({"a": 0.4, "b": 0.5}))

    assert one == moved
    assert one != edited
    assert str(one.options["path"]).startswith("sha256:")


def test_the_file_is_read_once(write: Write) -> None:
    path = write(COUNTS)
    allocator = FromFile(path)
    before = allocator.fingerprint()
    write({"a": 0.5, "b": 0.5})

    target = make_target(LAYERS, 0.5, None, None)
    assert allocator.allocate(None, LAYERS, target) == COUNTS
    assert allocator.fingerprint() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "from-file: path is missing"),
        ({"budget.path": "nowhere.yaml"}, "nowhere.yaml: cannot be read"),
    ],
)
def test_a_file_is_needed(plugins: Plugins, settings: dict[str, str], message: str) -> None:
    spec = PrunerSpec(budget="from-file", local=("wanda",), settings=settings)

    with pytest.raises(InputError, match=message):
        compose(spec, plugins)
