"""Golden numbers: worked by hand or by R and SciPy."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness.items import make_items
from harness.statistics import (
    benjamini_hochberg,
    clustered_error,
    holm,
    mcnemar_exact,
    paired_interval,
    paired_p,
    score_interval,
    sign_flip_p,
    student_t_quantile,
    trapezoid_area,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("worse", "better", "p"),
    [(15, 5, 0.04138946533203125), (8, 2, 0.109375), (6, 0, 0.03125), (10, 10, 1), (0, 0, 1)],
)
def test_mcnemar_exact(worse: int, better: int, p: float) -> None:
    assert mcnemar_exact(worse, better) == pytest.approx(p, abs=1e-12)


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005]

    assert benjamini_hochberg(p_values) == pytest.approx([0.02, 0.04, 0.04, 0.02])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_adjustments_keep_the_order_and_only_raise(p_values: list[float]) -> None:
    q, adjusted = benjamini_hochberg(p_values), holm(p_values)

    expected = scipy.stats.false_discovery_control(p_values) if p_values else []
    assert q == pytest.approx(list(expected))
    for before, by_rate, by_family in zip(p_values, q, adjusted, strict=True):
        assert before <= by_rate * (1 + 1e-12)
        assert by_rate <= by_family * (1 + 1e-12)


def test_wilson() -> None:
    assert wilson_interval(0.43, 100) == pytest.approx((0.337332985, 0.527846105), abs=1e-9)
    assert wilson_interval(0.5, 0) == pytest.approx((0, 1))


def test_right_and_wrong_items_have_wilsons_interval() -> None:
    items = make_items([1] * 43 + [0] * 57, [str(i) for i in range(100)], scale=100)

    interval = score_interval(items)

    assert (interval.low, interval.high) == pytest.approx((33.7332985, 52.7846105), abs=1e-7)


def test_items_that_are_all_right_leave_a_doubt() -> None:
    """Ten items of five images tell as much as five."""
    items = make_items([1] * 10, [str(i // 2) for i in range(10)])

    interval = score_interval(items)

    assert (interval.low, interval.high) == wilson_interval(1, 5)
    assert interval.low < 0.6
    assert interval.high == 1


def test_clusters_widen_wilsons_interval() -> None:
    """Twice every item of a cluster: the interval of half as many, up to n - 1 for n."""
    once = [1] * 30 + [0] * 70
    items = make_items(once * 2, [str(i) for i in range(100)] * 2)

    interval = score_interval(items)

    assert (interval.low, interval.high) == pytest.approx(wilson_interval(0.3, 200 * 99 / 199))


def test_the_area_under_a_sweep() -> None:
    area = trapezoid_area([0.0, 0.1, 0.2, 0.3], [60, 58, 50, 30])

    assert area == pytest.approx(15.3, abs=1e-12)


@pytest.mark.parametrize("degrees", [1, 2, 3, 8, 15, 100, 359, 1199, 20000])
def test_student_t_quantile(degrees: int) -> None:
    expected = scipy.stats.t.ppf(0.975, degrees)

    assert student_t_quantile(0.975, degrees) == pytest.approx(expected, rel=1e-5)


def test_the_standard_error_of_independent_items_is_the_usual_one() -> None:
    scores = np.array([1.0, 1, 0, 0, 1, 0])

    error = clustered_error(scores, np.ones(6), np.arange(6))

    assert error == pytest.approx(0.223606798, abs=1e-9)


def test_the_clustered_standard_error() -> None:
    """Without the factor G / (G - 1) it is 0.117851130."""
    scores, clusters = np.array([1.0, 1, 0, 0, 1, 0]), np.array([0, 0, 0, 1, 1, 2])

    error = clustered_error(scores, np.ones(6), clusters)

    assert error == pytest.approx(0.117851130 * math.sqrt(3 / 2), abs=1e-9)


def test_a_paired_difference() -> None:
    names = [str(index) for index in range(16)]
    dense = make_items([1] * 8 + [0] * 8, names)
    pruned = make_items([1] * 5 + [0] * 3 + [1] + [0] * 7, names)

    interval = paired_interval(pruned, dense)

    half = 0.125 * scipy.stats.t.ppf(0.975, 15)
    assert interval.value == -0.125
    assert (interval.low, interval.high) == pytest.approx((-0.125 - half, -0.125 + half))
    assert paired_p(pruned, dense) == mcnemar_exact(3, 1)


def test_pairing_narrows_the_error() -> None:
    """Eight right of sixteen against six: 0.125 on the same items, 0.18 on different ones."""
    dense = np.array([1.0] * 8 + [0] * 8)
    pruned = np.array([1.0] * 5 + [0] * 3 + [1] + [0] * 7)

    def error(scores: npt.NDArray[np.float64]) -> float:
        return clustered_error(scores, np.ones(16), np.arange(16))

    assert error(pruned - dense) == pytest.approx(0.125, abs=1e-9)
    assert math.hypot(error(dense), error(pruned)) == pytest.approx(0.179698822, abs=1e-9)


def test_equal_runs_have_no_difference_and_no_doubt() -> None:
    items = make_items([0.3, 0.9, 0.6], ["a", "a", "b"])

    interval = paired_interval(items, items)

    assert (interval.value, interval.low, interval.high) == (0, 0, 0)
    assert paired_p(items, items) == 1


def test_perplexity_is_exp_of_the_weighted_mean() -> None:
    items = make_items([1.0, 2.0], ["a", "b"], weights=[3, 1], transform="exp")

    assert items.main() == pytest.approx(math.exp(1.25))
    assert score_interval(items).low < items.main() < score_interval(items).high


def test_the_perplexity_difference_is_linearised() -> None:
    names = [str(index) for index in range(50)]
    generator = np.random.Generator(np.random.PCG64(0))
    losses = generator.normal(2, 0.3, 50)
    dense = make_items(losses.tolist(), names, transform="exp")
    now = make_items((losses + 0.1).tolist(), names, transform="exp")

    interval = paired_interval(now, dense)

    assert interval.value == pytest.approx(now.main() - dense.main())
    # Every loss moved by the same amount: the difference is as sure as the perplexity itself.
    assert 0 < interval.low < interval.high
    assert interval.high - interval.low == pytest.approx(
        (score_interval(dense).high - score_interval(dense).low) * (math.exp(0.1) - 1), rel=0.05
    )


def test_an_infinite_perplexity_is_compared_without_an_error() -> None:
    dense = make_items([1.0, 2.0], ["a", "b"], transform="exp")
    now = make_items([math.inf, 2.0], ["a", "b"], transform="exp")

    interval = paired_interval(now, dense)

    assert interval.value == math.inf
    assert (interval.low, interval.high) == (-math.inf, math.inf)


def test_infinite_scores_leave_intervals_open_and_warn_of_nothing() -> None:
    finite = make_items([1.0, 2.0], ["a", "b"], transform="exp")
    infinite = make_items([math.inf, 2.0], ["a", "b"], transform="exp")
    beyond = make_items([800.0, 801.0], ["a", "b"], transform="exp")

    for items in (infinite, beyond):
        assert items.main() == math.inf
        assert score_interval(items).bounds == (None, None)
        assert paired_interval(finite, items).bounds == (None, None)
        assert items.why_unbounded == "the score is inf"


def test_right_and_wrong_items_that_weigh_unlike_are_tested_by_their_weights() -> None:
    """Two items count as much as forty others: both become right, and eleven of the forty wrong.

    The mean rises; flips alone would star a fall. Both signs of the two alike reach the total.
    """
    names = [str(index) for index in range(42)]
    weights = [0.25] * 2 + [0.0125] * 40
    dense = make_items([0] * 2 + [1] * 40, names, weights=weights)
    now = make_items([1] * 2 + [0] * 11 + [1] * 29, names, weights=weights)

    assert paired_interval(now, dense).value == pytest.approx(0.3625)
    assert mcnemar_exact(11, 2) < 0.05
    assert paired_p(now, dense) == 0.5


@given(st.data())
def test_a_star_never_points_away_from_the_difference(data: st.DataObject) -> None:
    """Mirrored pairs have equal p; where the weighted flips cancel it is 1."""
    count = data.draw(st.integers(2, 10))
    flips = data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=count, max_size=count))
    weights = data.draw(st.lists(st.sampled_from([0, 1, 5]), min_size=count, max_size=count))
    if not any(weights):
        weights[0] = 1
    names = [str(index) for index in range(count)]
    now = make_items([float(flip > 0) for flip in flips], names, weights=weights)
    dense = make_items([float(flip < 0) for flip in flips], names, weights=weights)

    p = paired_p(now, dense)

    assert p == paired_p(dense, now)
    if paired_interval(now, dense).value == 0:
        assert p == 1


def test_sign_flips_of_few_clusters_are_exact() -> None:
    """Of 2^3 patterns only +++ and --- reach the total of 6."""
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == 0.25


def test_sign_flips_of_many_clusters_are_seeded() -> None:
    sums = np.linspace(-1, 1.3, 40)

    assert sign_flip_p(sums) == sign_flip_p(sums)
    assert 0.05 < sign_flip_p(sums) < 0.6


def test_one_cluster_tells_nothing() -> None:
    graded = score_interval(make_items([1.0, 0.3], ["a", "a"]))
    right_or_wrong = score_interval(make_items([1.0, 0.0], ["a", "a"], scale=100))

    assert (graded.low, graded.high) == (-math.inf, math.inf)
    assert (right_or_wrong.low, right_or_wrong.high) == pytest.approx((0, 100))
