"""DSnoT by hand, and the laws of its exchanges."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.plugin import LayerJob, Pattern
from harness.testing import statistics_of
from harness_plugins.methods.dsnot import DSnoT
from harness_plugins.methods.wanda import Wanda
from tests.conformance.reference import layer_job

KINDS = DSnoT.statistics


def masked_job(
    weight: torch.Tensor, inputs: torch.Tensor, keep: torch.Tensor, pattern: Pattern | None = None
) -> LayerJob:
    """A layer with inputs (samples, tokens, in) and the mask to refine."""
    job = layer_job(weight, inputs[None], int(keep.sum()), pattern)
    stats = statistics_of(job.info, inputs, KINDS)
    return dataclasses.replace(job, keep=keep, stats=stats)


def errors(job: LayerJob, keep: torch.Tensor) -> torch.Tensor:
    """Expected error per row, summed over a sample's tokens."""
    sums = job.stats.input_mean * job.stats.tokens / job.stats.samples
    return (job.weight * sums).masked_fill(keep, 0).sum(dim=1)


#: One sample of two tokens; sums 2, 2, 2, 2, 2; variances 1 but for the last input's 4.
STEADY = torch.tensor([[[2.0, 2.0, 2.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0, -1.0]]])


def test_one_row_by_hand() -> None:
    """Pruned 3, 1 and 4 stand for e = 16. Of their parts 6, 2 and 8, divided by the variances
    1, 1 and 4, the first is largest; of the kept -2 and -1 the latter has the lower Wanda score.
    16 - 6 - 2 = 8. Then 1 and 4 are equal, and the former comes back for -2: 8 - 2 - 4 = 2.
    Nothing negative is kept any more.
    """
    weight = torch.tensor([[3.0, -2.0, -1.0, 1.0, 4.0]])
    keep = torch.tensor([[False, True, True, False, False]])
    job = masked_job(weight, STEADY, keep)

    one = DSnoT(cycles=1).prune(job)
    all_ = DSnoT().prune(job)

    assert one.keep.tolist() == [[True, True, False, False, False]]
    assert one.notes == {"swaps": 1, "expected_error_before": 16, "expected_error": 8}
    assert all_.keep.tolist() == [[True, False, False, True, False]]
    assert all_.notes == {"swaps": 2, "expected_error_before": 16, "expected_error": 2}
    assert all_.weight is None


def test_the_power_of_the_variance() -> None:
    """Without it the largest part, 8, comes back first; squared it is 8 / 16."""
    weight = torch.tensor([[3.0, -2.0, -1.0, 1.0, 4.0]])
    job = masked_job(weight, STEADY, torch.tensor([[False, True, True, False, False]]))

    plain, squared = (DSnoT(cycles=1, power=power).prune(job).keep for power in (0, 2))

    assert plain.tolist() == [[False, True, False, False, True]]
    assert squared.tolist() == [[True, True, False, False, False]]


def test_a_row_whose_error_has_turned_goes_on_from_the_other_side() -> None:
    """e = 6; growing 3 (6) and pruning -1 (2 more) leaves -2. Of what is pruned then, -2 (-4) takes
    most of it away, and 1 (2), of the lowest Wanda score, goes: -2 + 4 + 2 = 4.
    """
    weight = torch.tensor([[3.0, -1.0, 1.0, -2.0, 2.0]])
    inputs = STEADY[..., :1].expand(1, 2, 5)
    keep = torch.tensor([[False, True, True, False, False]])
    job = masked_job(weight, inputs, keep)

    one, two = (DSnoT(cycles=cycles).prune(job) for cycles in (1, 2))

    assert one.keep.tolist() == [[True, False, True, False, False]]
    assert two.keep.tolist() == [[True, False, False, True, False]]
    found = [result.notes["expected_error"] for result in (one, two)]
    assert found == [2, 4]


def test_an_exchange_that_would_turn_the_sign_can_be_forbidden() -> None:
    """e = 2; growing takes 2 and pruning 2 more: -2."""
    weight = torch.tensor([[1.0, -1.0]])
    job = masked_job(weight, STEADY[..., :2], torch.tensor([[False, True]]))

    result = DSnoT(same_sign=True).prune(job)

    assert torch.equal(result.keep, job.keep)
    assert result.notes == {"swaps": 0, "expected_error_before": 2, "expected_error": 2}


def test_a_small_error_is_left_alone() -> None:
    """e = 8; growing 1 and pruning -1 leaves 4."""
    weight = torch.tensor([[1.0, -1.0, 3.0]])
    keep = torch.tensor([[False, True, False]])
    inputs = torch.cat([STEADY[..., :2], STEADY[..., 4:]], dim=2)

    swaps = [
        DSnoT(threshold=threshold).prune(masked_job(weight, inputs, keep)).notes["swaps"]
        for threshold in (7.9, 8)
    ]

    assert swaps == [1, 0]


def test_with_a_pattern_both_are_of_one_group() -> None:
    """5 of the first group takes most of e = 12, but nothing there is negative; 1 comes back."""
    weight = torch.tensor([[5.0, 1.0, 1.0, -0.5]])
    inputs = STEADY[..., :4]
    keep = torch.tensor([[False, True, False, True]])

    free = DSnoT(cycles=1).prune(masked_job(weight, inputs, keep))
    grouped = DSnoT(cycles=1).prune(masked_job(weight, inputs, keep, Pattern(1, 2)))

    assert free.keep.tolist() == [[True, True, False, False]]
    assert grouped.keep.tolist() == [[False, True, True, False]]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.integers(1, 8),
    st.floats(0.1, 0.9),
    st.sampled_from([None, Pattern(2, 4), Pattern(1, 4)]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.booleans(),
)
def test_every_row_keeps_its_count_and_none_gets_worse_with_the_sign_kept(
    seed: int,
    rows: int,
    groups: int,
    share: float,
    pattern: Pattern | None,
    power: float,
    same_sign: bool,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, 4 * groups, generator=generator)
    inputs = torch.randn(3, 7, 4 * groups, generator=generator) + torch.randn(4 * groups)
    count = rows * groups * pattern.keep if pattern else int(share * weight.numel())
    start = Wanda().prune(layer_job(weight, inputs[None], count, pattern)).keep
    job = masked_job(weight, inputs, start, pattern)

    pruner = DSnoT(power=power, same_sign=same_sign)
    result = pruner.prune(job)
    again = pruner.prune(dataclasses.replace(job, keep=result.keep))

    before, after = errors(job, start).abs(), errors(job, result.keep).abs()
    assert not same_sign or bool((after <= before + 1e-4).all())
    assert result.notes["expected_error"] == pytest.approx(float(after.sum()), rel=1e-3, abs=1e-3)
    for keep in (result.keep, again.keep):
        assert torch.equal(keep.sum(dim=1), start.sum(dim=1))
        if pattern is not None:
            in_groups = keep.reshape(-1, pattern.of).sum(dim=1)
            assert bool((in_groups == pattern.keep).all())
    assert not same_sign or bool((errors(job, again.keep).abs() <= after + 1e-4).all())
