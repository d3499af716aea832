from collections.abc import Mapping, Sequence

import pytest

from harness.budget import allocate, describe, keep_total, make_target
from harness.errors import InfeasibleError, PartError
from harness.plugin import LayerInfo, Pattern, Target
from harness.scoring import Table, group_layers
from harness.testing import toy_layers
from harness_plugins.methods.ecoflap import CappedProportional
from harness_plugins.methods.uniform import Uniform


def one_layer_blocks(*sizes: int) -> list[LayerInfo]:
    return [
        LayerInfo(name=f"l{i}", tower="t", block=i, role="w", shape=(1, size), stream="t")
        for i, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("numel", "sparsity", "keep"),
    [(7, 0.0, 7), (7, 0.5, 4), (7, 0.99, 1), (11520, 0.7, 3456), (7, 1e-05, 7)],
)
def test_never_more_zeros_than_asked(numel: int, sparsity: float, keep: int) -> None:
    assert keep_total(numel, sparsity) == keep


def test_uniform_gives_every_layer_the_same_share() -> None:
    layers = one_layer_blocks(100, 200)

    budget = allocate(Uniform(), None, layers, make_target(layers, 0.5, None, None))

    assert budget.keep == {"l0": 50, "l1": 100}


def capped(scores: Sequence[float], sizes: Sequence[int], p: float, p_max: float) -> list[int]:
    layers = one_layer_blocks(*sizes)
    groups = group_layers(layers, "block")
    table = Table(groups, {g.name: s for g, s in zip(groups, scores, strict=True)})
    target = make_target(layers, p, p_max, None)
    return list(allocate(CappedProportional(), table, layers, target).keep.values())


def test_blocks_share_what_their_caps_leave_in_proportion_to_their_scores() -> None:
    """40 each by the cap of 0.6, then 40 more at 1 : 2 : 3 : 4."""
    assert capped([1, 2, 3, 4], [100] * 4, 0.5, 0.6) == [44, 48, 52, 56]


def test_a_full_block_leaves_its_rest_to_the_others() -> None:
    """With p_max 0.8, 20 each and 120 to share; the last block would get 113 of them."""
    assert capped([1, 2, 3, 94], [100] * 4, 0.5, 0.8) == [27, 33, 40, 100]


def test_the_closed_form_of_the_paper_holds_where_no_block_is_full() -> None:
    sizes, scores, p, p_max = [1000, 3000, 6000], [5.0, 1.0, 1.0], 0.5, 0.55

    keep = capped(scores, sizes, p, p_max)

    for count, size, score in zip(keep, sizes, scores, strict=True):
        sparsity = p_max - (p_max - p) * (sum(sizes) / size) * (score / sum(scores))
        assert count == pytest.approx(size * (1 - sparsity), abs=1)


def test_zero_scores_say_nothing() -> None:
    with pytest.raises(InfeasibleError, match="all scores are zero"):
        capped([0, 0], [10, 10], 0.5, 0.6)


def test_every_matrix_of_a_block_gets_the_blocks_ratio() -> None:
    layers = toy_layers()
    groups = group_layers(layers, "block")
    table = Table(groups, {group.name: 1.0 for group in groups})
    target = make_target(layers, 0.5, 0.6, None)

    budget = allocate(CappedProportional(), table, layers, target)

    for group in groups:
        ratios = [budget.keep[i.name] / i.numel for i in group.layers]
        assert max(ratios) - min(ratios) < 0.02


def test_a_cap_below_the_target_is_infeasible() -> None:
    with pytest.raises(InfeasibleError, match="sparsity 0.5 cannot be met.*p_max 0.4"):
        make_target(toy_layers(), 0.5, 0.4, None)


def test_a_pattern_needs_a_width_it_divides() -> None:
    with pytest.raises(InfeasibleError, match="pattern 2:16 does not fit layer .*8 inputs"):
        make_target(toy_layers(), 0.875, None, Pattern(2, 16))


def test_a_pattern_fixes_every_layer() -> None:
    layers = toy_layers()
    target = make_target(layers, 0.5, None, Pattern(2, 4))

    budget = allocate(Uniform(), None, layers, target)

    assert all(budget.keep[layer.name] * 2 == layer.numel for layer in layers)


class Answers:
    name = "answers"

    def __init__(self, budget: Mapping[str, int]) -> None:
        self._budget = budget

    def allocate(self, scores: object, layers: object, target: Target) -> Mapping[str, int]:
        return self._budget


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"l0": 5}, "gives l1 None weights"),
        ({"l0": 11, "l1": 0}, "gives l0 11 weights"),
        ({"l0": 5.5, "l1": 4.5}, "gives l0 5.5 weights"),
        ({"l0": 5, "l1": 4}, "keeps 9 weights in all, the target is 10"),
    ],
)
def test_a_wrong_answer_is_refused(budget: dict[str, int], message: str) -> None:
    layers = one_layer_blocks(10, 10)

    with pytest.raises(PartError, match=message):
        allocate(Answers(budget), None, layers, make_target(layers, 0.5, None, None))


def test_the_plan_shows_every_block() -> None:
    layers = one_layer_blocks(10, 30)
    budget = allocate(Uniform(), None, layers, make_target(layers, 0.5, None, None))

    assert describe(layers, budget) == "t                 0.5000 = 0.500 0.500"
