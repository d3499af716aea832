"""Budget allocators by hand."""

import pytest
import torch

from harness.budget import allocate, make_target
from harness.errors import InfeasibleError, InputError
from harness.plugin import Granularity, Group, LayerInfo
from harness.scoring import ScoreSet, Table
from harness.testing import ToySession, toy_layers
from harness_plugins.methods.atp import DepthProgression
from harness_plugins.methods.ecoflap import CappedProportional
from harness_plugins.methods.global_pruning import PooledThreshold
from harness_plugins.methods.owl import OWL, OutlierRatio
from harness_plugins.methods.uniform import Uniform


def layer(name: str, shape: tuple[int, int], tower: str = "t", block: int = 0) -> LayerInfo:
    return LayerInfo(name=name, tower=tower, block=block, role="r", shape=shape, stream=tower)


A, B, C = layer("a", (1, 4)), layer("b", (1, 4), block=1), layer("c", (1, 2), "u")
SCORES = {
    "a": torch.tensor([[9.0, 1.0, 8.0, 7.0]]),
    "b": torch.tensor([[1.0, 2.0, 1.0, 6.0]]),
    "c": torch.tensor([[1.0, 3.0]]),
}


def pooled(sparsity: float, p_max: float | None = None, **options: str) -> dict[str, int]:
    layers = [A, B, C]
    table = ScoreSet("weight", dict.fromkeys(SCORES, 1.0), SCORES).table(layers, "layer")
    target = make_target(layers, sparsity, p_max, None)
    return dict(allocate(PooledThreshold(**options), table, layers, target).keep)


def test_the_largest_of_all_stay() -> None:
    assert pooled(0.5) == {"a": 3, "b": 1, "c": 1}


def test_among_equal_scores_earlier_layers_go_first() -> None:
    """Seven stay: six above 1, and of the four ones the last, which is c's."""
    assert pooled(0.3) == {"a": 3, "b": 2, "c": 2}


def test_a_cap_takes_from_the_others() -> None:
    """b and c keep at least half, so that a falls to the two that are left."""
    assert pooled(0.5, p_max=0.5) == {"a": 2, "b": 2, "c": 1}


def test_each_tower_by_itself() -> None:
    """Half of the eight of t and half of the two of u."""
    assert pooled(0.5, scope="tower") == {"a": 3, "b": 1, "c": 1}
    assert pooled(0.2, scope="tower") == {"a": 3, "b": 3, "c": 2}


def test_it_needs_scores_for_every_weight() -> None:
    table = ScoreSet("layer", dict.fromkeys(SCORES, 1.0), {}).table([A, B, C], "layer")

    with pytest.raises(InputError, match="needs scores for every weight"):
        PooledThreshold().allocate(table, [A, B, C], make_target([A, B, C], 0.5, None, None))


#: Two blocks of tower t, the first of two layers, and one of tower u, 100 weights to a layer.
TOWERS = [
    layer("t0a", (1, 100)),
    layer("t0b", (1, 100)),
    layer("t1", (1, 100), block=1),
    layer("u0", (1, 100), "u"),
    layer("u1", (1, 100), "u", block=1),
]


def capped(scores: list[float], sparsity: float, p_max: float, **options: str) -> list[int]:
    """Keep counts by capped-proportional from scores of the layers."""
    allocator = CappedProportional(**options)
    values = {i.name: score for i, score in zip(TOWERS, scores, strict=True)}
    table = ScoreSet("layer", values, {}).table(TOWERS, allocator.granularity)
    target = make_target(TOWERS, sparsity, p_max, None)
    return list(allocate(allocator, table, TOWERS, target).keep.values())


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        # 40 each by the cap of 0.6, and 50 more at 1 : 1 : 3 : 1 : 4.
        ("layer", [45, 45, 55, 45, 60]),
        # Blocks 2 : 3 : 1 : 4; the layers of one block share alike.
        ("block", [45, 45, 55, 45, 60]),
        # Towers 5 : 5, so 145 and 105.
        ("tower", [49, 48, 48, 53, 52]),
    ],
)
def test_every_granularity_shares_in_proportion(
    granularity: Granularity, expected: list[int]
) -> None:
    assert capped([1, 1, 3, 1, 4], 0.5, 0.6, granularity=granularity) == expected


def test_the_mean_is_per_weight() -> None:
    """Blocks 2 : 8 : 4 : 4 per weight instead of 4 : 8 : 4 : 4; 40 each and 45 to share."""
    kept = capped([2, 2, 8, 4, 4], 0.51, 0.6, granularity="block", aggregate="mean")

    assert kept == [43, 42, 60, 50, 50]


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        # t: 30 more at 1 : 1 : 3; u: 20 more at 1 : 4.
        ("layer", [46, 46, 58, 44, 56]),
        ("block", [46, 46, 58, 44, 56]),
        ("tower", [50, 50, 50, 50, 50]),
    ],
)
def test_towers_can_meet_the_target_each_by_itself(
    granularity: Granularity, expected: list[int]
) -> None:
    scores = [1, 1, 3, 1000, 4000]

    assert capped(scores, 0.5, 0.6, granularity=granularity, scope="tower") == expected


def test_a_tower_whose_scores_are_zero_is_named() -> None:
    with pytest.raises(InfeasibleError, match="all scores of tower u are zero"):
        capped([1, 1, 3, 0, 0], 0.5, 0.6, scope="tower")


@pytest.mark.parametrize("granularity", ["layer", "block", "tower"])
def test_equal_scores_of_all_weights_are_uniform(granularity: Granularity) -> None:
    """Totals are then in proportion to the sizes, and so are the budgets."""
    layers = toy_layers()
    scores = {i.name: torch.ones(i.shape) for i in layers}
    totals = {i.name: float(i.numel) for i in layers}
    table = ScoreSet("weight", totals, scores).table(layers, granularity)
    target = make_target(layers, 0.5, 0.75, None)

    budget = allocate(CappedProportional(granularity=granularity), table, layers, target)

    assert budget == allocate(Uniform(), None, layers, target)


def owl(ratios: list[float], sizes: list[int], sparsity: float, spread: float) -> list[int]:
    layers = [layer(str(i), (1, size), block=i) for i, size in enumerate(sizes)]
    groups = [Group(name=i.group("block"), tower="t", layers=(i,)) for i in layers]
    table = Table(groups, dict(zip((g.name for g in groups), ratios, strict=True)))
    budget = allocate(OWL(spread=spread), table, layers, make_target(layers, sparsity, None, None))
    return list(budget.keep.values())


def test_owl_spreads_keep_ratios_by_twice_lambda() -> None:
    """Ratios 1, 2, 5 are scaled to 0, 0.05 and 0.2, whose mean is 1/12."""
    assert owl([1, 2, 5], [1200, 1200, 1200], 0.5, 0.1) == [500, 560, 740]


def test_owl_meets_the_total_where_blocks_differ() -> None:
    """Scaled to 0 and 0.2; the mean over 4,000 weights is 0.15."""
    assert owl([1, 2], [1000, 3000], 0.5, 0.1) == [350, 1650]


def test_owl_with_equal_ratios_is_uniform() -> None:
    assert owl([3, 3], [100, 300], 0.7, 0.08) == [30, 90]


def test_depth_progression_rises_in_equal_steps() -> None:
    """0.4, 0.5, 0.6 in one tower of three blocks; 0.45 and 0.55 in one of two."""
    three = [layer(f"t{i}", (1, 100), block=i) for i in range(3)]
    two = [layer(f"u{i}", (2, 100), "u", block=i) for i in range(2)]
    layers = [*three, *two]

    budget = allocate(
        DepthProgression(beta=0.1), None, layers, make_target(layers, 0.5, None, None)
    )

    assert list(budget.keep.values()) == [60, 50, 40, 110, 90]


def test_depth_progression_respects_the_cap() -> None:
    """0.3, 0.5 and 0.7 want 30, 10 and 0 above the floor of 40; 30 are there to be given."""
    layers = [layer(str(i), (1, 100), block=i) for i in range(3)]

    budget = allocate(DepthProgression(beta=0.2), None, layers, make_target(layers, 0.5, 0.6, None))

    assert list(budget.keep.values()) == [63, 47, 40]


def test_depth_progression_refuses_what_leaves_the_unit_interval() -> None:
    """Of three blocks the first would have 0.2 - 0.3 below none, the last 0.8 + 0.3 above all."""
    layers = [layer(str(i), (1, 100), block=i) for i in range(3)]

    for sparsity in (0.2, 0.8):
        target = make_target(layers, sparsity, None, None)
        for beta in (0.3, -0.3):
            with pytest.raises(InfeasibleError, match="largest legal beta for 3 blocks is 0.2"):
                allocate(DepthProgression(beta=beta), None, layers, target)


def test_outlier_ratio_by_hand() -> None:
    session = ToySession()
    found = dict(OutlierRatio(times=2).score(session))

    for block in {i.group("block") for i in session.layers}:
        scores = []
        for i, statistics in session.statistics({"input_sq"}):
            if i.group("block") == block:
                norm = statistics.input_sq.sqrt()
                scores += (session.weight(i).abs() * norm).reshape(-1).tolist()
        mean = sum(scores) / len(scores)
        share = sum(score > 2 * mean for score in scores) / len(scores)
        assert found[block] == pytest.approx(100 * share)
