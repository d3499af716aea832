"""What the released DSnoT does otherwise, by hand."""

import dataclasses

import pytest
import torch

from harness.plugin import LayerJob, Pattern
from harness.testing import statistics_of
from harness_plugins.methods.dsnot import DSnoT
from harness_plugins.methods.official.dsnot import DSnoTOfficial
from harness_plugins.methods.official.dsnot_lists import DSnoTListsOfficial
from harness_plugins.methods.official.dsnot_skip import DSnoTSkipOfficial
from harness_plugins.methods.official.dsnot_variance import DSnoTVarianceOfficial
from tests.conformance.reference import layer_job

KINDS = DSnoT.statistics | DSnoTVarianceOfficial.statistics


def job_of(
    weight: list[list[float]], keep: list[list[int]], pattern: Pattern | None = None
) -> LayerJob:
    """Inputs of one sample of two tokens: sums 1, variances 1."""
    row = torch.tensor(weight)
    inputs = torch.tensor([[[1.5], [-0.5]]]).expand(1, 2, row.shape[1])
    mask = torch.tensor(keep).bool()
    job = layer_job(row, inputs[None], int(mask.sum()), pattern)
    return dataclasses.replace(job, keep=mask, stats=statistics_of(job.info, inputs, KINDS))


def kept(job: LayerJob, **options: object) -> list[list[int]]:
    return DSnoTListsOfficial(**options).prune(job).keep.int().tolist()


def test_the_lists_do_not_know_what_went() -> None:
    """e = 4: 3 grows, -2 goes, and leaves -1. By the mask as it is -2 comes back for 3: 4. In the
    list kept weights stand in between, by their place: 4 is to grow and to go; nothing changes.
    """
    job = job_of([[4.0, 3.0, 1.0, -2.0]], [[1, 0, 0, 1]])

    clean, made = DSnoT(cycles=2).prune(job), DSnoTListsOfficial(cycles=2).exchange(job)

    assert kept(job, cycles=1) == [[1, 1, 0, 0]]
    assert clean.keep.int().tolist() == [[1, 0, 0, 1]]
    assert made.keep.int().tolist() == [[1, 1, 0, 0]]
    assert (clean.notes["expected_error"], made.after.tolist()) == (4, [-1])


def test_used_up_lists_go_on_into_the_other_sign() -> None:
    """e = 1, above the threshold, of 2 and -1; kept is 5 alone. There is nothing negative to prune,
    so what goes is 5, and the error is 1 - 2 + 5.
    """
    job = job_of([[2.0, -1.0, 5.0]], [[0, 0, 1]])

    made = DSnoTListsOfficial(cycles=1).exchange(job)

    assert made.keep.int().tolist() == [[1, 0, 0]]
    assert (made.before.tolist(), made.after.tolist()) == ([1.0], [4.0])
    assert DSnoT().prune(job).keep.int().tolist() == [[0, 0, 1]]


def test_a_list_at_its_end_ends_the_layer_and_is_noted() -> None:
    """One weight is kept: after one cycle there is none to prune."""
    job = job_of([[2.0, -1.0, 5.0]], [[0, 0, 1]])

    notes = DSnoTListsOfficial().prune(job).notes

    assert (notes["cycles"], notes["ran_out"]) == (1, 1)


def test_growing_goes_on_into_kept_weights() -> None:
    """e = 10: 9 grows and -6 goes: -5. Nothing negative is pruned, so that -8 grows, which is kept,
    and 3 goes: the row has one weight less.
    """
    job = job_of([[1.0, 9.0, -8.0, -7.0, -6.0, 3.0]], [[0, 0, 1, 1, 1, 1]])

    assert kept(job, cycles=1) == [[0, 1, 1, 1, 0, 1]]
    assert kept(job, cycles=2) == [[0, 1, 1, 1, 0, 0]]


def test_a_row_that_stays_by_its_sign_stops_before_it_turns() -> None:
    """e = 2: growing 2 and pruning -3 would leave -3."""
    job = job_of([[2.0, -3.0]], [[0, 1]])

    assert kept(job, cycles=1) == [[1, 0]]
    assert kept(job, cycles=1, same_sign=True) == [[0, 1]]


def test_with_a_pattern_the_lowest_score_of_the_group_goes_whatever_its_sign() -> None:
    """e = 5: 5 grows and 1 goes, though its loss adds to what is left: 5 - 5 + 1."""
    job = job_of([[5.0, 1.0, -2.0, 3.0]], [[0, 1, 1, 1]], Pattern(3, 4))

    made = DSnoTListsOfficial(cycles=1).exchange(job)

    assert made.keep.int().tolist() == [[1, 0, 1, 1]]
    assert made.after.tolist() == [1.0]


def test_rows_with_nothing_to_exchange_are_left() -> None:
    for keep in ([[0, 0]], [[1, 1]]):
        assert kept(job_of([[2.0, -3.0]], keep)) == keep


@pytest.mark.parametrize(
    ("role", "skip", "is_left"),
    [
        ("mlp.up_proj", "mlp", True),
        ("self_attn.q_proj", "mlp", False),
        ("self_attn.q_proj", "self_attn", True),
        ("mlp.up_proj", "", False),
        ("encoder.mlp", "mlp", False),
    ],
)
def test_layers_are_skipped_by_the_first_part_of_their_name(
    role: str, skip: str, is_left: bool
) -> None:
    job = job_of([[3.0, 1.0, -2.0, 2.0]], [[0, 0, 1, 1]])
    job = dataclasses.replace(job, info=dataclasses.replace(job.info, role=role))

    for part in (DSnoTSkipOfficial(cycles=1, skip=skip), DSnoTOfficial(cycles=1, skip=skip)):
        assert torch.equal(part.prune(job).keep, job.keep) is is_left


def test_the_variance_within_samples_ignores_how_far_they_lie_apart() -> None:
    """Two samples with means 10 and -10 in the second input: its own variance is that of the first,
    of all tokens it is 101, and 3 of it would come back last.
    """
    inputs = torch.tensor(
        [[[2.0, 11.0, 1.0], [0.0, 9.0, 1.0]], [[2.0, -9.0, 1.0], [0.0, -9.0, 1.0]]]
    )
    job = layer_job(torch.tensor([[2.0, 3.0, -4.0]]), inputs[None], 1)
    stats = statistics_of(job.info, inputs, KINDS)
    job = dataclasses.replace(job, keep=torch.tensor([[False, False, True]]), stats=stats)

    assert stats.input_var_within.tolist() == [1, 0.5, 0]
    assert DSnoTVarianceOfficial().variance(job) is stats.input_var_within
    assert DSnoT().variance(job) is stats.input_var
