"""Wanda's variant by hand, exact and as released."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.plugin import Pattern
from harness_plugins.methods.official.asked import asked_sparsity
from harness_plugins.methods.official.wanda_variant import WandaVariantOfficial
from harness_plugins.methods.wanda_variant import WandaVariant
from tests.conformance.reference import layer_job

ONES = torch.ones(1, 1, 1, 4)
WEIGHT = torch.tensor([[1.0, -1.0, 2.0, 6.0], [4.0, 2.0, -2.0, 2.0]])
"""Both rows sum to 10: shares 0.1, 0.2, 0.4, 1 and, the two first, 1, 0.2, 0.4, 0.6."""


def test_rows_lose_the_same_share_of_their_score() -> None:
    """The four smallest of the shares are 0.1, 0.2, 0.2 and, of two, the first 0.4."""
    result = WandaVariant().prune(layer_job(WEIGHT, ONES, keep_count=4))

    assert result.keep.tolist() == [[False, False, False, True], [True, False, True, True]]
    assert result.notes["alpha"] == pytest.approx(0.4)


def test_the_count_is_met_whatever_it_is() -> None:
    for count in range(9):
        assert WandaVariant().prune(layer_job(WEIGHT, ONES, count)).keep.sum() == count


def test_nothing_goes_at_an_alpha_of_zero() -> None:
    assert WandaVariant().prune(layer_job(WEIGHT, ONES, keep_count=8)).notes["alpha"] == 0


def test_the_released_bisection_takes_the_first_alpha_that_fits() -> None:
    """Shares 0.1, 0.25, 0.5, 1 and 0.15, 0.35, 0.6, 1: 0.4 takes two of each row, the half."""
    weight = torch.tensor([[1.0, 1.5, 2.5, 5.0], [1.5, 2.0, 2.5, 4.0]])

    result = WandaVariantOfficial().prune(layer_job(weight, ONES, keep_count=4))

    assert result.keep.tolist() == [[False, False, True, True]] * 2
    assert result.notes["alpha"] == 0.4


def test_the_released_bisection_ends_beside_the_count() -> None:
    """Half is asked for. 0.4 takes three of each row, as ties go; 0.2 two and, with ties, three.
    Below 0.2 only the two of the first row go, and the interval closes there.
    """
    result = WandaVariantOfficial().prune(layer_job(WEIGHT, ONES, keep_count=4))

    assert result.keep.tolist() == [[False, False, True, True], [True] * 4]
    assert result.notes["alpha"] == pytest.approx(0.2, abs=2e-3)
    assert result.notes["alpha"] < 0.2


@pytest.mark.parametrize("pruner", [WandaVariant(), WandaVariantOfficial()])
def test_the_norm_of_the_inputs_counts(pruner: WandaVariant | WandaVariantOfficial) -> None:
    """Norms 4, 1, 1, 1 make the scores 4, 1, 2, 3 of sum 10; 1 and 2 are 0.3 of it."""
    inputs = torch.tensor([[[[4.0, 1.0, 1.0, 1.0]]]])

    result = pruner.prune(layer_job(torch.tensor([[1.0, 1, 2, 3]]), inputs, keep_count=2))

    assert result.keep.tolist() == [[True, False, False, True]]


@pytest.mark.parametrize("pruner", [WandaVariant(), WandaVariantOfficial()])
def test_a_pattern_has_no_alpha(pruner: WandaVariant | WandaVariantOfficial) -> None:
    result = pruner.prune(
        layer_job(torch.tensor([[1.0, 3, 2, 4]]), ONES, keep_count=2, pattern=Pattern(2, 4))
    )

    assert result.keep.tolist() == [[False, True, False, True]]
    assert not result.notes


def test_rows_of_zeros_go() -> None:
    weight = torch.tensor([[0.0, 0, 0, 0], [1.0, 1, 1, 1]])

    assert not WandaVariant().prune(layer_job(weight, ONES, keep_count=4)).keep[0].any()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.2, 0.8))
def test_the_released_sparsity_is_nearly_that_asked_for(seed: int, sparsity: float) -> None:
    """On gaussian weights the sum at 0.8 of the scores is beyond all these sparsities."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(40, 100, generator=generator)
    inputs = torch.randn(1, 1, 50, 100, generator=generator)
    count = round(weight.numel() * (1 - sparsity))

    result = WandaVariantOfficial().prune(layer_job(weight, inputs, count))

    assert int(result.keep.sum()) == pytest.approx(count, abs=0.003 * weight.numel())
    assert len(set(result.keep.sum(dim=1).tolist())) > 1


@pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.05, 0.55, 0.625, 0.9])
@pytest.mark.parametrize("numel", [9216, 16_384, 18_432, 589_824])
def test_the_asked_sparsity_is_found_from_its_count(sparsity: float, numel: int) -> None:
    for drop in (int(numel * sparsity), -int(-numel * sparsity // 1)):
        assert asked_sparsity(numel, drop) == sparsity
