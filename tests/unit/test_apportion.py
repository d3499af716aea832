import pytest

from harness.plugin import Target, apportion, apportion_evenly, apportion_shifted


def test_shares_are_proportional() -> None:
    assert apportion(10, [1, 1, 2], floors=[0] * 3, ceilings=[10] * 3) == [3, 2, 5]


def test_a_full_part_gives_its_rest_to_the_others() -> None:
    assert apportion(10, [1, 1, 8], floors=[0] * 3, ceilings=[10, 10, 4]) == [3, 3, 4]


def test_floors_are_kept_before_shares_count() -> None:
    assert apportion(10, [0, 1], floors=[4, 0], ceilings=[10, 10]) == [4, 6]


def test_open_parts_without_any_share_count_as_equal() -> None:
    assert apportion(6, [0, 0, 0], floors=[0] * 3, ceilings=[9] * 3) == [2, 2, 2]


def test_of_equal_remainders_the_earlier_part_gains() -> None:
    assert apportion(1, [1, 1], floors=[0, 0], ceilings=[1, 1]) == [1, 0]


@pytest.mark.parametrize(("total", "floors", "ceilings"), [(1, [2], [3]), (4, [2], [3])])
def test_an_unreachable_total_is_refused(
    total: int, floors: list[int], ceilings: list[int]
) -> None:
    with pytest.raises(ValueError, match="outside"):
        apportion(total, [1], floors=floors, ceilings=ceilings)


def test_a_negative_share_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        apportion(1, [-1, 2], floors=[0, 0], ceilings=[2, 2])


def test_shifted_parts_differ_by_their_shifts() -> None:
    """Shifts 0 and 0.2 have a mean of 0.15 over 4,000 weights: ratios 0.35 and 0.55."""
    target = Target(sparsity=0.5, numel=4000, keep=2000, min_keep={})

    assert apportion_shifted(target, [0, 0.2], sizes=[1000, 3000], floors=[0, 0]) == [350, 1650]
    assert apportion_shifted(target, [0, 0.2], sizes=[1000, 3000], floors=[400, 0]) == [400, 1600]


def test_even_parts_respect_their_floors() -> None:
    assert apportion_evenly(5, [4, 6], floors=[0, 0]) == [2, 3]
    assert apportion_evenly(5, [4, 6], floors=[3, 0]) == [3, 2]
