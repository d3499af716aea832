"""How sure a score and a difference are: clustered errors, paired intervals, exact tests.

Miller, "Adding Error Bars to Evals", 2024 (arXiv:2411.00640): standard errors clustered by image
where several questions share one, and paired differences on the same items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from harness.items import Floats, Items

LEVEL = 0.95
SIGN_FLIPS = 10_000
#: Up to this many clusters every sign pattern is tried instead of a random sample of them.
EXACT_CLUSTERS = 13


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def bounds(self) -> tuple[float, float] | tuple[None, None]:
        """(low, high); nothing where either is infinite."""
        is_bounded = math.isfinite(self.low) and math.isfinite(self.high)
        return (self.low, self.high) if is_bounded else (None, None)


def clustered_error(scores: Floats, weights: Floats, clusters: npt.NDArray[np.int64]) -> float:
    """Standard error of a weighted mean with items correlated inside clusters.

    sqrt(G / (G - 1) * sum_g (sum_{i in g} w_i (s_i - mean))^2) / sum w, for G clusters.

    With one item per cluster and equal weights this is the usual s / sqrt(n).
    """
    groups = int(clusters.max()) + 1
    if groups < 2:
        return math.inf
    mean = np.average(scores, weights=weights)
    sums = np.bincount(clusters, weights=weights * (scores - mean), minlength=groups)
    return float(math.sqrt(groups / (groups - 1) * float(sums @ sums)) / weights.sum())


def score_interval(items: Items) -> Interval:
    """The main score with its interval: Wilson's where items are right or wrong, else Student's t.

    Wilson's stays within the scale and does not shrink to a point where every item is right.
    """
    mean = items.mean()
    if not math.isfinite(mean):
        return Interval(items.main(), -math.inf, math.inf)
    error = clustered_error(items.scores, items.weights, items.clusters)
    if items.are_right_or_wrong:
        low, high = wilson_interval(mean, _effective_count(items, error))
    else:
        half = _half_width(error, items.cluster_count)
        low, high = mean - half, mean + half
    return Interval(items.main(), items.to_score(low), items.to_score(high))


def _effective_count(items: Items, error: float) -> float:
    """Independent items that tell as much: n over the design effect of the clusters, at most n.

    Where all items score the same, the number of clusters.
    """
    independent = clustered_error(items.scores, items.weights, np.arange(items.count))
    if independent == 0:
        return items.cluster_count
    return items.count * min(1.0, independent / error if error else 1.0) ** 2


def wilson_interval(share: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.

    Args:
        share: Of items that are right, in [0, 1].
        count: Items it is a share of; need not be whole.

    >>> [round(end, 6) for end in wilson_interval(0.43, 100)]
    [0.337333, 0.527846]
    """
    z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    middle = (count * share + z**2 / 2) / (count + z**2)
    half = z / (count + z**2) * math.sqrt(count * share * (1 - share) + z**2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_interval(now: Items, dense: Items) -> Interval:
    """Difference of two main scores on the same items, with its paired interval.

    For ``exp`` (perplexity) the error of the difference is linearised at the two means.
    """
    difference = now.main() - dense.main()
    if not (math.isfinite(now.main()) and math.isfinite(dense.main())):
        return Interval(difference, -math.inf, math.inf)
    slope_now, slope_dense = (
        (math.exp(items.mean()) if items.transform == "exp" else 1.0) for items in (now, dense)
    )
    # Each item's share in the difference, centred by the weighted mean inside clustered_error.
    shares = slope_now * now.scores - slope_dense * dense.scores
    error = clustered_error(shares, now.weights, now.clusters)
    half = _half_width(error, now.cluster_count) * now.scale
    return Interval(difference, difference - half, difference + half)


def _half_width(error: float, clusters: int) -> float:
    if error == 0.0:
        return 0.0
    return error * student_t_quantile(0.5 + LEVEL / 2, clusters - 1) if clusters > 1 else math.inf


def paired_p(now: Items, dense: Items) -> float:
    """Two-sided p of no difference.

    McNemar's exact test where items are right or wrong, count the same and are independent, else a
    sign-flip test on weighted cluster sums: exact up to 13 clusters, with 10,000 seeded flips
    above. Either looks at the very difference of the two means.
    """
    if now.are_right_or_wrong and dense.are_right_or_wrong and now.cluster_count == now.count:
        worse = int(np.sum((dense.scores == 1) & (now.scores == 0)))
        better = int(np.sum((dense.scores == 0) & (now.scores == 1)))
        return mcnemar_exact(worse, better)
    sums = np.bincount(now.clusters, weights=now.weights * (now.scores - dense.scores))
    return sign_flip_p(sums[sums != 0])


def mcnemar_exact(worse: int, better: int) -> float:
    """Two-sided binomial test of equal flips each way; 1 without any flip.

    >>> mcnemar_exact(15, 5)
    0.04138946533203125
    """
    flips = worse + better
    tail = ways = 1  # of flips choose 0, 1, 2 …; a whole comb() for each is slow for thousands
    for k in range(min(worse, better)):
        ways = ways * (flips - k) // (k + 1)
        tail += ways
    return min(1.0, float(2 * tail / 2**flips))


def sign_flip_p(sums: Floats) -> float:
    """Share of sign patterns whose total is at least as far from 0 as the one seen."""
    if not len(sums):
        return 1.0
    seen = abs(float(sums.sum())) * (1 - 1e-12)
    if len(sums) <= EXACT_CLUSTERS:
        patterns = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
        return float(np.mean(np.abs((1 - 2 * patterns) @ sums) >= seen))
    generator = np.random.Generator(np.random.PCG64(0))
    extreme = 0
    for _ in range(SIGN_FLIPS // 100):
        signs = generator.integers(0, 2, size=(100, len(sums)), dtype=np.int8) * 2 - 1
        extreme += int(np.sum(np.abs(signs @ sums) >= seen))
    return (extreme + 1) / (SIGN_FLIPS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment over a family of tests.

    >>> holm([0.01, 0.04, 0.03, 0.005])
    [0.03, 0.06, 0.06, 0.02]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's step-up adjustment: the false discovery rate of a choice by p.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.005])
    [0.02, 0.04, 0.04, 0.02]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    adjusted = [0.0] * len(p_values)
    running = 1.0
    for above, index in enumerate(order):
        running = min(running, p_values[index] * len(p_values) / (len(p_values) - above))
        adjusted[index] = running
    return adjusted


def trapezoid_area(at: Sequence[float], values: Sequence[float]) -> float:
    """Area under straight lines between points; ``at`` ascends.

    >>> round(trapezoid_area([0.0, 0.1, 0.2, 0.3], [60, 58, 50, 30]), 12)
    15.3
    """
    points = list(zip(at, values, strict=True))
    return sum(
        (right - left) * (before + after) / 2 for (left, before), (right, after) in pairwise(points)
    )


@cache
def student_t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t, by bisection on its distribution function.

    >>> round(student_t_quantile(0.975, 10), 4)
    2.2281
    """
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if _student_t_cdf(middle, degrees) < probability else (low, middle)
        )
    return (low + high) / 2


def _student_t_cdf(t: float, degrees: int) -> float:
    """P(T <= t) for t >= 0: the finite series for whole degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    if degrees > 1000:  # the normal limit is within 1e-4 here, after this first correction
        return NormalDist().cdf(t * (1 - 1 / (4 * degrees)) / math.sqrt(1 + t * t / (2 * degrees)))
    theta = math.atan2(t, math.sqrt(degrees))
    sine, cosine = math.sin(theta), math.cos(theta)
    if degrees % 2:
        total, term = 0.0, cosine
        for k in range(1, (degrees - 1) // 2 + 1):
            total += term
            term *= 2 * k / (2 * k + 1) * cosine * cosine
        inside = 2 / math.pi * (theta + sine * total)
    else:
        total, term = 0.0, 1.0
        for k in range(1, degrees // 2 + 1):
            total += term
            term *= (2 * k - 1) / (2 * k) * cosine * cosine
        inside = sine * total
    return 0.5 + inside / 2
