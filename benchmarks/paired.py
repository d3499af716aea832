"""One row of a results folder against another, item by item, over all seeds.

    python benchmarks/paired.py RESULTS BASE [ROW …]

A board compares every row with dense. Whether one method beats another is read from their own
differences on the same items: per-item scores are averaged over seeds, and the difference of the
main scores gets the paired 95 % interval of `harness.statistics`, clustered by image. It speaks of
other items, not of other seeds. Without ROW, all rows of RESULTS are compared with BASE.
"""

import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.items import Items
from harness.leaderboard import items_of
from harness.record import EvalRecord
from harness.statistics import paired_interval
from harness.store import Store

Rows = dict[tuple[str, str, float], dict[str, list[EvalRecord]]]
"""(task, part, sparsity) -> row -> its records."""


def items_over_seeds(store: Store, records: list[EvalRecord]) -> Items:
    seeds = [items_of(store, record) for record in records]
    digests = {record.asked.data.digest for record in records}
    assert len(digests) == 1, "seeds were evaluated on different items"
    return replace(seeds[0], scores=np.mean([items.scores for items in seeds], axis=0))


def rows_by_place(store: Store) -> Rows:
    """All records of evaluations, one per seed."""
    rows: Rows = defaultdict(dict)
    for record in store.evals():
        place = (record.task, record.asked.data.part, record.asked_sparsity)
        rows[place].setdefault(record.row, []).append(record)
    return rows


def difference(now: Items, base: Items) -> str:
    """``+1.2 [-0.3, +2.7]``, with a star where the interval leaves zero out."""
    found = paired_interval(now, base)
    digits = 1 if max(now.main(), base.main()) >= 10 else 3
    low, high = f"{found.low:+.{digits}f}", f"{found.high:+.{digits}f}"
    star = "*" if found.low > 0 or found.high < 0 else ""
    return f"{found.value:+.{digits}f} [{low}, {high}]{star}"


def main() -> None:
    results, base, *wanted = sys.argv[1:]
    store = Store(Path(results))
    print(f"| task | sparsity | row | row - {base} |\n|---|---|---|---|")
    for (task, part, sparsity), by_row in sorted(rows_by_place(store).items()):
        if base not in by_row:
            continue
        given = items_over_seeds(store, by_row[base])
        for row in wanted or sorted(by_row.keys() - {base}):
            if row in by_row:
                found = difference(items_over_seeds(store, by_row[row]), given)
                print(f"| {task} {part} | {sparsity:g} | {row} | {found} |")


if __name__ == "__main__":
    main()
