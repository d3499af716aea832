import pytest
import torch

from harness.plugin import PartError, Pattern, keep_largest

SCORES = torch.tensor([[1.0, 5.0, 2.0, 4.0], [8.0, 3.0, 7.0, 6.0]])


def test_each_row_keeps_its_largest() -> None:
    keep = keep_largest(SCORES, 4, compare="row")

    assert keep.tolist() == [[False, True, False, True], [True, False, True, False]]


def test_the_remainder_goes_to_the_row_whose_next_score_is_largest() -> None:
    keep = keep_largest(SCORES, 5, compare="row")

    assert keep.tolist() == [[False, True, False, True], [True, False, True, True]]


def test_of_equal_next_scores_the_lower_row_gains() -> None:
    keep = keep_largest(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), 3, compare="row")

    assert keep.tolist() == [[True, True], [False, True]]


def test_a_layer_is_one_group() -> None:
    keep = keep_largest(SCORES, 3, compare="layer")

    assert keep.tolist() == [[False, False, False, False], [True, False, True, True]]


def test_blocks_of_columns_keep_their_share_over_all_rows() -> None:
    """Of 3 the first two columns get round(1.5) = 2 and the others what is left."""
    keep = keep_largest(SCORES, 3, compare="columns", columns=2)

    assert keep.tolist() == [[False, True, False, False], [True, False, True, False]]


def test_the_last_block_of_columns_may_be_narrower() -> None:
    """Of 4 the three columns of the first block get 3."""
    keep = keep_largest(SCORES, 4, compare="columns", columns=3)

    assert keep.tolist() == [[False, True, False, False], [True, False, True, True]]


@pytest.mark.parametrize("compare", ["row", "layer", "columns"])
def test_of_equal_scores_the_lower_index_is_pruned_first(compare: str) -> None:
    keep = keep_largest(torch.ones(1, 5), 2, compare=compare)

    assert keep.tolist() == [[False, False, False, True, True]]


def test_two_of_four_stay_in_every_group() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0, 9.0]])

    keep = keep_largest(scores, 4, compare="row", pattern=Pattern(2, 4))

    assert keep.tolist() == [[False, False, True, True, False, False, True, True]]


@pytest.mark.parametrize("keep_count", [0, 8])
@pytest.mark.parametrize("compare", ["row", "layer", "columns"])
def test_nothing_and_everything_can_be_kept(keep_count: int, compare: str) -> None:
    assert int(keep_largest(SCORES, keep_count, compare=compare).sum()) == keep_count


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(PartError, match="1 scores are NaN or infinite"):
        keep_largest(torch.tensor([[1.0, bad]]), 1, compare="row")


def test_a_pattern_that_does_not_fit_is_refused() -> None:
    with pytest.raises(PartError, match="2:4 does not fit"):
        keep_largest(torch.ones(2, 6), 6, compare="row", pattern=Pattern(2, 4))
