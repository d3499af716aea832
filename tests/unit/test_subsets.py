"""Subsets: hand-computed shares, fixed members, and what they are called."""

import hashlib

import pytest

from harness.errors import InputError
from harness.notation import parse_subset, parse_task
from harness.spec import SubsetSpec
from harness.subsets import ids_digest, subset_indices

#: Ten items: a a a a a b b b c c.
IDS = [f"item{index}" for index in range(10)]
STRATA = list("aaaaabbbcc")


def by_hash(stratum: str) -> list[str]:
    mine = [i for i, s in zip(IDS, STRATA, strict=True) if s == stratum]
    return sorted(mine, key=lambda i: hashlib.sha256(i.encode()).digest())


def test_places_go_by_the_quota_method() -> None:
    """Claims n / (c + 1) of a, b, c; a dash where the share, rounded up, is reached.

    First 5, 3, 2; then -, 3, 2; then 5/2, -, 2; then -, 3/2, 2; then 5/3, 3/2, -.
    """
    a, b, c = by_hash("a"), by_hash("b"), by_hash("c")
    order = [a[0], b[0], a[1], c[0], a[2]]

    for length in range(1, 6):
        found = subset_indices(IDS, STRATA, SubsetSpec(stop=length))
        assert {IDS[i] for i in found} == set(order[:length])
        assert found == sorted(found)


def test_without_strata_the_hash_of_the_id_decides() -> None:
    ids = sorted(IDS, key=lambda i: hashlib.sha256(i.encode()).digest())

    found = subset_indices(IDS, [""] * 10, SubsetSpec(stop=4))
    each_alone = subset_indices(IDS, IDS, SubsetSpec(stop=4))

    assert {IDS[i] for i in found} == {IDS[i] for i in each_alone} == set(ids[:4])


def test_the_rest_is_the_rest() -> None:
    first = subset_indices(IDS, STRATA, SubsetSpec(stop=4))
    middle = subset_indices(IDS, STRATA, SubsetSpec(start=4, stop=7))
    rest = subset_indices(IDS, STRATA, SubsetSpec(start=7))

    assert sorted(first + middle + rest) == list(range(10))


@pytest.mark.parametrize("subset", [SubsetSpec(stop=11), SubsetSpec(start=11)])
def test_a_subset_beyond_the_items_is_refused(subset: SubsetSpec) -> None:
    with pytest.raises(InputError, match=r"subset @11:? reaches beyond the 10 items there are"):
        subset_indices(IDS, STRATA, subset)


@pytest.mark.parametrize(
    ("text", "start", "stop", "name"),
    [
        ("500", 0, 500, "@500"),
        ("5k", 0, 5000, "@5k"),
        (":5000", 0, 5000, "@5k"),
        ("128:", 128, None, "@128:"),
        ("1k:2k", 1000, 2000, "@1k:2k"),
    ],
)
def test_notation(text: str, start: int, stop: int | None, name: str) -> None:
    given = parse_subset(text)

    assert given == {"start": start, "stop": stop}
    assert str(SubsetSpec(**given)) == name
    assert parse_task(f"vqav2@{text}")["subset"] == given


@pytest.mark.parametrize("text", ["k", "5m", "five"])
def test_bad_notation(text: str) -> None:
    with pytest.raises(InputError, match="with N like 500 or 5k"):
        parse_subset(text)


def test_the_digest_names_the_items_whatever_their_order() -> None:
    assert ids_digest(["b", "a"]) == hashlib.sha256(b"a\nb").hexdigest()[:6]
