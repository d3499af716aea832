"""The Hill estimator and AlphaPruning's budget by hand."""

import math
from typing import get_args

import pytest
import torch

from harness.budget import allocate, make_target
from harness.composition import compose
from harness.errors import InfeasibleError, PartError
from harness.plugin import Group, LayerInfo
from harness.plugin.manager import Plugins
from harness.scoring import Table
from harness.spec import PrunerSpec
from harness.testing import ToySession
from harness_plugins.methods.alphapruning import Alpha, Fit, Hill, heaviness
from harness_plugins.methods.official.hill import HillOfficial, released_alpha


def test_hill_by_hand() -> None:
    """Eigenvalues 1, 4, 16, 64: from the median on 16 and 64, so alpha = 1 + 2 / log 4."""
    singular = torch.tensor([8.0, 1.0, 4.0, 2.0])

    assert 1 / heaviness(singular, "alpha_mid") == pytest.approx(1 + 2 / math.log(4))


def test_hill_leaves_out_eigenvalues_of_zero() -> None:
    """Of 1, 4 and 16 the upper part is 4 and 16."""
    singular = torch.tensor([0.0, 4.0, 2.0, 1.0, 0.0, 1e-9])

    assert 1 / heaviness(singular, "alpha_mid") == pytest.approx(1 + 2 / math.log(4))


PEAKED = [5.0, 10.0, 30.0, 50.0, 100.0, 101.0, 103.0, 1e6]
"""Bins of 0.053 decades; the last three before 1e6 lie in that from 93.6 on, the fullest."""


def law(eigenvalues: list[float], start: int) -> tuple[float, float]:
    """Alpha of the tail from `start` on, and its Kolmogorov-Smirnov distance, term by term."""
    tail = eigenvalues[start:]
    n, least = len(tail), tail[0]
    alpha = 1 + n / sum(math.log(value / least) for value in tail)
    return alpha, max(
        abs(1 - (value / least) ** (1 - alpha) - i / n) for i, value in enumerate(tail)
    )


def singular(eigenvalues: list[float]) -> torch.Tensor:
    return torch.tensor(eigenvalues, dtype=torch.float64).sqrt()


def test_the_tail_begins_near_the_peak_where_it_fits_best() -> None:
    """From 0.95 to 1.5 times 93.6 lie 100, 101 and 103, and from 101 on the law fits best."""
    distances = [law(PEAKED, start)[1] for start in range(7)]
    assert min(range(4, 7), key=distances.__getitem__) == 5
    assert min(range(7), key=distances.__getitem__) == 0

    assert 1 / heaviness(singular(PEAKED)) == pytest.approx(law(PEAKED, 5)[0])
    assert 1 / heaviness(singular(PEAKED), "alpha_mid") == pytest.approx(law(PEAKED, 4)[0])


def test_the_released_bound_binds_nothing_below_one() -> None:
    """At a thousandth of the size the peak is 0.09; log10(0.95 * 0.09) is negative."""
    small = torch.tensor(PEAKED) / 1000

    assert released_alpha(small, "alpha_peak") == pytest.approx(law(PEAKED, 0)[0], rel=1e-5)
    assert 1 / heaviness(small.sqrt()) == pytest.approx(law(PEAKED, 5)[0], rel=1e-4)


def test_the_released_bound_is_a_logarithm_above_one() -> None:
    """At a hundred times the size it is log10(8891), 3.9; all but the first pass if that is 3."""
    large = torch.tensor([3.0, *(100 * value for value in PEAKED)])

    starts = range(1, 8)
    best = min(starts, key=lambda start: law(large.tolist(), start)[1])
    assert released_alpha(large, "alpha_peak") == pytest.approx(
        law(large.tolist(), best)[0], rel=1e-5
    )


@pytest.mark.parametrize("eigenvalues", [[0.0, 1.0, 2.0], [2.0, 2.0, 2.0]])
def test_the_released_estimator_refuses_what_gives_it_no_alpha(eigenvalues: list[float]) -> None:
    class Session(ToySession):
        def weight(self, layer: LayerInfo) -> torch.Tensor:
            return torch.diag(torch.tensor(eigenvalues).sqrt())

    with pytest.raises(PartError, match="the released AlphaPruning gives alpha"):
        dict(HillOfficial().score(Session()))


def test_the_recipe_is_the_authors_default(plugins: Plugins) -> None:
    composition = compose(PrunerSpec(recipe="alphapruning"), plugins)

    assert composition.estimator == Hill(fit="alpha_peak")
    assert composition.allocator == Alpha(spread=0.3)


@pytest.mark.parametrize("singular", [[3.0, 3.0, 3.0], [0.0, 0.0], [2.0]])
def test_a_flat_spectrum_has_no_tail(singular: list[float]) -> None:
    assert heaviness(torch.tensor(singular)) == 0


def test_the_exponent_of_a_pareto_tail_is_found() -> None:
    """Eigenvalues with density l^-3, by their quantiles: l = u^(-1/2)."""
    quantiles = (torch.arange(20_000) + 0.5) / 20_000

    for fit in get_args(Fit):
        assert 1 / heaviness(quantiles.pow(-0.25), fit) == pytest.approx(3, rel=0.01)


def test_hill_scales_with_nothing() -> None:
    session = ToySession()
    for layer, (name, score) in zip(session.layers, Hill().score(session), strict=True):
        assert name == layer.name
        scaled = heaviness(torch.linalg.svdvals(session.weight(layer) * 1000))
        assert score == pytest.approx(scaled, rel=1e-4)


def alpha(
    blocks: list[list[tuple[float, int]]], sparsity: float, p_max: float | None = None
) -> list[int]:
    """Keep counts where each block has layers of these (alpha, size)."""
    layers, totals = [], {}
    for block, members in enumerate(blocks):
        for index, (exponent, size) in enumerate(members):
            name = f"{block}.{index}"
            layers.append(
                LayerInfo(name=name, tower="t", block=block, role="r", shape=(1, size), stream="t")
            )
            totals[name] = 1 / exponent
    groups = [Group(name=i.name, tower="t", layers=(i,)) for i in layers]
    target = make_target(layers, sparsity, p_max, None)
    return list(allocate(Alpha(), Table(groups, totals), layers, target).keep.values())


def test_sparsities_are_linear_in_alpha() -> None:
    """2, 3, 4 become 0.7, 1, 1.3 times a half."""
    assert alpha([[(2, 100)], [(3, 100)], [(4, 100)]], 0.5) == [65, 50, 35]


def test_blocks_are_means_of_alphas_and_all_layers_follow_them() -> None:
    """Means 3 and 6 become 0.7 and 1.3."""
    assert alpha([[(2, 100), (4, 200)], [(6, 100), (6, 200)]], 0.5) == [65, 130, 35, 70]


def test_the_mean_is_over_weights() -> None:
    """0.7 of 100 and 1.3 of 300 weights average 1.15: sparsities 0.7 and 1.3 times 0.46 / 1.15."""
    assert alpha([[(2, 1000)], [(4, 3000)]], 0.46) == [720, 1440]


def test_equal_alphas_are_uniform() -> None:
    assert alpha([[(2, 100)], [(2, 300)]], 0.7) == [30, 90]


def test_the_cap_holds() -> None:
    """25, 10 and 0 are wanted above the floor of 40; 30 are there to be given."""
    assert alpha([[(2, 100)], [(3, 100)], [(4, 100)]], 0.5, p_max=0.6) == [61, 49, 40]


def test_a_flat_spectrum_is_refused() -> None:
    with pytest.raises(InfeasibleError, match=r"score of 0\.0 is 0, so its alpha is not finite"):
        alpha([[(math.inf, 100)]], 0.5)
