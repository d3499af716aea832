"""Budgets of released code, by hand."""

import pytest
import torch

from harness.budget import allocate, make_target
from harness.composition import compose
from harness.errors import InfeasibleError, InputError, PartError
from harness.plugin import AllocatorTags, BudgetAllocator, Group, LayerInfo
from harness.plugin.manager import Plugins
from harness.scoring import ScoreSet, Table
from harness.spec import PrunerSpec
from harness_plugins.methods.official.alphapruning import AlphaOfficial
from harness_plugins.methods.official.atp import DepthProgressionOfficial
from harness_plugins.methods.official.fused_qkv import FusedQKVOfficial
from harness_plugins.methods.official.owl import OWLOfficial
from harness_plugins.methods.official.whole_rows import UniformRowsOfficial, kept_in_rows


def layer(block: int, shape: tuple[int, int], role: str = "r") -> LayerInfo:
    name = f"{block}.{role}"
    return LayerInfo(name=name, tower="t", block=block, role=role, shape=shape, stream="t")


def kept(
    allocator: BudgetAllocator, scores: list[float], shapes: list[tuple[int, int]], sparsity: float
) -> list[int]:
    """Keep counts of blocks of one layer each."""
    layers = [layer(block, shape) for block, shape in enumerate(shapes)]
    coarse = AllocatorTags.of(allocator).granularity
    groups = [Group(name=i.group(coarse), tower="t", layers=(i,)) for i in layers]
    table = Table(groups, dict(zip((g.name for g in groups), scores, strict=True)))
    budget = allocate(allocator, table, layers, make_target(layers, sparsity, None, None))
    return list(budget.keep.values())


def test_rows_lose_whole_parts() -> None:
    """0.7 of 9 is 6.3: six go from each of four rows."""
    assert kept_in_rows(layer(0, (4, 9)), 0.7) == 12


def test_a_row_cannot_lose_more_than_it_has() -> None:
    assert kept_in_rows(layer(0, (4, 9)), 1.2) == 0


def test_uniform_rows_prune_less_than_asked() -> None:
    """Of 10 and of 9 columns 5 and 4 go; half of 76 would be 38."""
    assert kept(UniformRowsOfficial(), [1, 1], [(4, 10), (4, 9)], 0.5) == [20, 20]


def test_owl_counts_blocks_alike() -> None:
    """Scaled to 0 and 0.2, whose mean over blocks is 0.1 although the second has three times the
    weights: 0.4 and 0.6 stay.
    """
    assert kept(OWLOfficial(spread=0.1), [1, 2], [(10, 100), (30, 100)], 0.5) == [400, 1800]


def test_owl_rounds_down_in_every_row() -> None:
    """0.6 and 0.4 of 7 columns are 4.2 and 2.8: four and two go."""
    assert kept(OWLOfficial(spread=0.1), [1, 2], [(2, 7), (2, 7)], 0.5) == [6, 10]


def test_owl_prunes_a_hundredth_where_a_block_would_keep_more_than_all() -> None:
    """0.95 + 0.1 stay of the second block, so 0.01 of 200 columns go."""
    assert kept(OWLOfficial(spread=0.1), [1, 2], [(1, 200), (1, 200)], 0.05) == [170, 198]


def test_owl_refuses_where_the_released_code_divides_by_zero() -> None:
    with pytest.raises(InfeasibleError, match="divides by zero"):
        kept(OWLOfficial(), [3, 3], [(1, 10), (1, 10)], 0.5)


def test_alphapruning_rounds_down_in_every_row() -> None:
    """Alphas 2 and 4 become 0.7 and 1.3 times a half: 0.35 and 0.65 of 7 are 2.45 and 4.55."""
    assert kept(AlphaOfficial(), [1 / 2, 1 / 4], [(2, 7), (2, 7)], 0.5) == [10, 6]


def test_alphapruning_may_ask_a_block_for_more_than_it_has() -> None:
    """1.3 times 0.9 is above one: all of the second block goes; 0.63 of the first."""
    assert kept(AlphaOfficial(), [1 / 2, 1 / 4], [(1, 100), (1, 100)], 0.9) == [37, 0]


def test_atp_counts_blocks_alike_and_rounds_down() -> None:
    """0.45 and 0.55 of 9 columns are 4.05 and 4.95: four go of each."""
    assert kept(DepthProgressionOfficial(beta=0.1), [1, 1], [(1, 9), (3, 9)], 0.5) == [5, 15]


def test_atp_refuses_an_illegal_beta() -> None:
    with pytest.raises(InfeasibleError, match="the largest legal beta for 2 blocks is 0.6"):
        kept(DepthProgressionOfficial(beta=0.7), [1, 1], [(1, 9), (3, 9)], 0.3)


@pytest.mark.parametrize("recipe", ["atp", "atp-official"])
def test_atp_has_no_default(plugins: Plugins, recipe: str) -> None:
    with pytest.raises(InputError, match="beta"):
        compose(PrunerSpec(recipe=recipe), plugins)


@pytest.mark.parametrize(
    "allocator", [OWLOfficial(), AlphaOfficial(), FusedQKVOfficial()], ids=lambda part: part.name
)
def test_scores_are_needed(allocator: BudgetAllocator) -> None:
    layers = [layer(0, (1, 4))]

    with pytest.raises(PartError, match=f"budget={allocator.name} needs score=NAME"):
        allocate(allocator, None, layers, make_target(layers, 0.5, None, None))


def fused(roles: list[str], scores: list[list[float]], sparsity: float) -> list[int]:
    layers = [layer(0, (1, len(own)), role) for role, own in zip(roles, scores, strict=True)]
    weights = {
        i.name: torch.tensor(own).reshape(i.shape) for i, own in zip(layers, scores, strict=True)
    }
    table = ScoreSet("weight", dict.fromkeys(weights, 1.0), weights).table(layers, "layer")
    target = make_target(layers, sparsity, None, None)
    return list(allocate(FusedQKVOfficial(), table, layers, target).keep.values())


APART = [[1.0, 2.0], [3.0, 8.0], [7.0, 9.0]]


@pytest.mark.parametrize(
    "names", [("q_proj", "k_proj", "v_proj"), ("query", "key", "value"), ("q", "k", "v")]
)
def test_projections_that_stand_apart_share_a_threshold(names: tuple[str, ...]) -> None:
    """Of 1 2 3 7 8 9 the one at index 3 is 7: 8 and 9 stay."""
    roles = [f"attention.{name}" for name in names]

    assert fused(roles, APART, 0.5) == [0, 1, 1]


def test_other_matrices_have_thresholds_of_their_own() -> None:
    """Of two scores the one at index 1 is the larger, and goes as well."""
    assert fused(["attention.o_proj", "mlp.fc1", "mlp.fc2"], APART, 0.5) == [0, 0, 0]


def test_ties_with_the_threshold_go() -> None:
    assert fused(["mlp.fc1"], [[1.0, 2.0, 2.0, 2.0, 5.0]], 0.2) == [1]
