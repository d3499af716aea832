"""Laws of subsets: shares, nesting, and blindness to the order of the items."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.spec import SubsetSpec
from harness.subsets import subset_indices

STRATA = st.lists(st.sampled_from("aaaabbcdef"), min_size=1, max_size=60)
MANY = settings(max_examples=40, deadline=None, derandomize=True)


def chosen(ids: list[str], strata: list[str], length: int) -> set[str]:
    return {ids[i] for i in subset_indices(ids, strata, SubsetSpec(stop=length))}


@MANY
@given(strata=STRATA, data=st.data())
def test_every_stratum_has_its_share_rounded_down_or_up(
    strata: list[str], data: st.DataObject
) -> None:
    length = data.draw(st.integers(1, len(strata)))
    ids = [f"q{index}" for index in range(len(strata))]
    labels = dict(zip(ids, strata, strict=True))

    mine = chosen(ids, strata, length)

    assert len(mine) == length
    for stratum in set(strata):
        count = sum(labels[i] == stratum for i in mine)
        numerator = strata.count(stratum) * length
        assert numerator // len(strata) <= count <= math.ceil(numerator / len(strata))


@MANY
@given(strata=STRATA, data=st.data())
def test_smaller_subsets_lie_inside_larger_ones_and_order_plays_no_part(
    strata: list[str], data: st.DataObject
) -> None:
    small = data.draw(st.integers(1, len(strata)))
    large = data.draw(st.integers(small, len(strata)))
    ids = [f"q{index}" for index in range(len(strata))]
    shuffled = list(zip(ids, strata, strict=True))
    random.Random(data.draw(st.integers(0, 99))).shuffle(shuffled)
    other_ids, other_strata = map(list, zip(*shuffled, strict=True))

    assert chosen(ids, strata, small) <= chosen(ids, strata, large)
    assert chosen(ids, strata, small) == chosen(other_ids, other_strata, small)
