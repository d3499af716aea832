"""ECoFLaP's scores and budgets against ylsung/ECoFLaP."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.budget import allocate, make_target
from harness.plugin import Group, LayerInfo
from harness.scoring import Table
from harness_plugins.methods.ecoflap import CappedProportional, central_difference
from tests.conformance.reference import Toy, Vectors


def expected(conformance: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((conformance / "vectors.json").read_text())
    return content


def test_central_differences_equal_the_reference(vectors: Vectors, conformance: Path) -> None:
    toy = Toy(vectors)
    for case in expected(conformance)["zeroth_order"]:
        scores = dict.fromkeys(case["scores"], 0.0)
        drawn = dict.fromkeys(case["scores"], 0)
        for name, seed in case["draws"]:
            # Published: every draw of a batch uses up its samples again, batch by batch.
            batch = toy.given[drawn[name] // case["num_noise"] % len(toy.given)]
            difference = central_difference(toy, toy.layer(name), batch, seed=seed, eps=case["eps"])
            scores[name] += abs(difference)
            drawn[name] += 1

        for name, score in case["scores"].items():
            assert scores[name] == pytest.approx(score, rel=1e-3), (case["eps"], name)


def test_budgets_are_within_twice_the_groups_of_the_reference(conformance: Path) -> None:
    cases = expected(conformance)["allocator"]
    assert cases

    for case in cases:
        budget = allocate_blocks(case["scores"], case["sizes"], case["p"], case["p_max"])

        for name, size in case["sizes"].items():
            published = size * (1 - case["sparsity"][name])
            assert abs(budget[name] - published) <= 2 * len(budget), case


def test_budgets_of_the_real_blip2_scores(conformance: Path) -> None:
    """All 87 blocks and 3.7 billion weights, on the local scores that the authors published."""
    files = [conformance / name for name in ("allocator_blip2.json", "real_blip2_scores.json")]
    if not all(file.is_file() for file in files):
        pytest.skip("holds the authors' own data, which is not in the repository")
    content, published = (json.loads(file.read_text()) for file in files)
    sizes = content["num_weights"]

    for case in content["cases"]:
        per_matrix = published[case["scores"]]
        totals = {
            name: sum(v for matrix, v in per_matrix.items() if matrix.startswith(f"{name}."))
            for name in sizes
        }
        if case["aggregate"] == "avg":
            totals = {name: total / sizes[name] for name, total in totals.items()}
        budget = allocate_blocks(totals, sizes, case["p"], case["p_max"])

        assert sum(sizes.values()) == 3_701_932_032
        for name, size in sizes.items():
            # The published sums run in float32, whose steps are 128 weights at this size.
            assert budget[name] == pytest.approx(size * (1 - case["sparsity"][name]), abs=700)


def allocate_blocks(
    totals: dict[str, float], sizes: dict[str, int], p: float, p_max: float
) -> dict[str, int]:
    layers = [
        LayerInfo(name=name, tower="t", block=index, role="r", shape=(1, size), stream="t")
        for index, (name, size) in enumerate(sizes.items())
    ]
    groups = [Group(name=f"t.{i.block}", tower="t", layers=(i,)) for i in layers]
    table = Table(groups, {f"t.{i.block}": totals[i.name] for i in layers})
    target = make_target(layers, p, p_max, None)
    budget = allocate(CappedProportional(), table, layers, target)
    assert budget.total == target.keep
    return dict(budget.keep)
