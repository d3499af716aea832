"""Fixed subsets: hashed, stratified and nested.

Items are put into one order of which every beginning holds each stratum's share: k of N items hold
n k / N of the n items of a stratum, rounded down or up. It is the quota method of Balinski and
Young ("The Quota Method of Apportionment", American Mathematical Monthly 82, 1975): the next place
goes to the stratum with the largest n / (c + 1), c being what it has, among those that would not
exceed their share rounded up. Inside a stratum, and between strata that tie, the hash of an item's
id decides, so that the order of the files plays no part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from harness.errors import InputError
from harness.spec import SubsetSpec

DIGEST_DIGITS = 6


def subset_indices(ids: Sequence[str], strata: Sequence[str], subset: SubsetSpec) -> list[int]:
    """Positions of a subset's items, in file order.

    Args:
        strata: Per item, the group whose share is kept.

    Raises:
        InputError: The subset reaches beyond the items.
    """
    count = len(ids)
    stop = count if subset.stop is None else subset.stop
    if max(stop, subset.start) > count:
        raise InputError(f"subset {subset} reaches beyond the {count:,} items there are")
    order = _order(ids, strata, subset.start if subset.stop is None else stop)
    if subset.stop is None:
        return sorted(set(range(count)).difference(order))
    return sorted(order[subset.start :])


def _order(ids: Sequence[str], strata: Sequence[str], length: int) -> list[int]:
    """The first `length` positions of the order."""
    by_hash = sorted(range(len(ids)), key=lambda i: hashlib.sha256(ids[i].encode()).digest())
    members: dict[str, list[int]] = {}
    for rank, position in enumerate(by_hash):
        members.setdefault(strata[position], []).append(rank)
    queues = list(members.values())
    sizes = np.array([len(queue) for queue in queues], dtype=np.int64)
    taken = np.zeros_like(sizes)
    following = np.array([queue[0] for queue in queues], dtype=np.int64)
    order = []
    for done in range(length):
        within_share = taken * len(ids) < sizes * (done + 1)
        claims = np.where(within_share, sizes / (taken + 1), 0)
        tied = np.flatnonzero(claims == claims.max())
        chosen = tied[np.argmin(following[tied])]
        order.append(by_hash[following[chosen]])
        taken[chosen] += 1
        rest = queues[chosen][taken[chosen] : taken[chosen] + 1]
        following[chosen] = rest[0] if rest else len(ids)
    return order


def ids_digest(ids: Sequence[str]) -> str:
    """A short hash that names a subset: of its items' ids, in whatever order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:DIGEST_DIGITS]
