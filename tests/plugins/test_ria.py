"""RIA's permutations of inputs, and its released thresholds, by hand."""

import dataclasses
import sys
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError, PartError
from harness.permutation import in_places
from harness.plugin import LayerJob, Pattern, keep_largest
from harness_plugins.channel_permutation import assigned, reallocated
from harness_plugins.methods.official.ria import RIAOfficial
from harness_plugins.methods.ria import RIA
from tests.conformance.reference import layer_job

SEEDS = st.integers(0, 10**6)
MANY = settings(max_examples=60, deadline=None, derandomize=True)


def job_of(weight: torch.Tensor, keep_count: int, pattern: Pattern | None = None) -> LayerJob:
    """A layer whose inputs all have a norm of 1."""
    return layer_job(weight, torch.eye(weight.shape[1])[None, None], keep_count, pattern)


def test_inputs_are_dealt_out_by_their_sums_to_and_fro() -> None:
    """Sums 7, 3, 11, 5, 1, 9 in runs (1, 3), (5, 7), (9, 11): the second is dealt backwards."""
    scores = torch.tensor([[3.0, 1.0, 5.0, 2.0, 0.0, 4.0], [4.0, 2.0, 6.0, 3.0, 1.0, 5.0]])

    order = reallocated(scores, Pattern(1, 3))

    assert order.reshape(2, 3).tolist() == [[4, 0, 5], [1, 3, 2]]


def kept(scores: torch.Tensor, order: torch.Tensor, pattern: Pattern) -> float:
    count = scores.numel() * pattern.keep // pattern.of
    places = in_places(scores, order)
    return float(places[keep_largest(places, count, compare="row", pattern=pattern)].sum())


@MANY
@given(SEEDS, st.integers(1, 6), st.integers(2, 4), st.sampled_from(["1:2", "2:4", "1:4", "3:4"]))
def test_assignment_is_the_best_of_all_in_its_last_place_and_never_loses(
    seed: int, rows: int, groups: int, given_pattern: str
) -> None:
    pattern = Pattern.parse(given_pattern)
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(rows, groups * pattern.of, generator=generator)
    start = reallocated(scores, pattern)

    order = assigned(scores, start, pattern)

    assert order.sort().values.tolist() == list(range(scores.shape[1]))
    assert kept(scores, order, pattern) >= kept(scores, start, pattern) - 1e-5
    dealt = order.reshape(-1, pattern.of)
    for whose in permutations(range(groups)):
        other = dealt.clone()
        other[:, -1] = dealt[list(whose), -1]
        assert kept(scores, other.reshape(-1), pattern) <= kept(scores, order, pattern) + 1e-5


@MANY
@given(SEEDS, st.sampled_from(["reallocation", "lsa"]))
def test_masks_are_n_of_m_by_places(seed: int, permute: str) -> None:
    weight = torch.randn(5, 16, generator=torch.Generator().manual_seed(seed))
    given_job = job_of(weight, 40, Pattern(2, 4))

    result = RIA(permute=permute).prune(given_job)

    assert result.permutation is not None
    groups = in_places(result.keep, result.permutation).reshape(-1, 4).sum(dim=1)
    assert bool((groups == 2).all())


def test_a_permutation_needs_a_pattern() -> None:
    with pytest.raises(PartError, match="permute=lsa chooses the groups of n:m; give --pattern"):
        RIA(permute="lsa").prune(job_of(torch.ones(2, 4), 4))


def test_assignment_without_scipy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    given_job = job_of(torch.rand(2, 8), 8, Pattern(2, 4))

    assert RIA(permute="reallocation").prune(given_job).permutation is not None
    with pytest.raises(InputError, match=r"needs scipy: pip install .*\[permutation\]"):
        RIA(permute="lsa").prune(given_job)


def test_released_thresholds_take_one_weight_more_per_layer_alone() -> None:
    weight = torch.tensor([[1.0, -4.0, 3.0], [0.5, 2.0, -6.0]])
    clean, official = RIA(exponent=0), RIAOfficial(exponent=0)

    layer = [part.prune(job_of(weight, 3)).keep for part in (clean, official)]
    rows = [
        dataclasses.replace(part, compare="row").prune(job_of(weight, 4)).keep
        for part in (clean, official)
    ]

    assert layer[0].tolist() == [[True, True, False], [False, False, True]]
    assert layer[1].tolist() == [[False, True, False], [False, False, True]]
    assert torch.equal(*rows)


def test_released_scores_leave_a_row_of_zeros() -> None:
    """0 / 0 is above every number: of four to go, and one more, all are of the other row."""
    weight = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])

    clean = RIA().prune(job_of(weight, 4)).keep
    official = RIAOfficial().prune(job_of(weight, 4)).keep

    assert clean.tolist() == [[False, False, True], [True, True, True]]
    assert official.tolist() == [[True, True, True], [False, False, False]]
