"""Choosing what each row keeps: by threshold, as the harness does, and by a stable sort.

    python benchmarks/selection.py [--rows 5120] [--columns 2048]

Both make the same mask; they run in turn in one process, and the ratio of their times counts.
"""

import argparse
import statistics
import time

import torch

from harness.plugin import keep_largest


def by_sorting(scores: torch.Tensor, keep_count: int) -> torch.Tensor:
    rows, columns = scores.shape
    order = scores.argsort(dim=1, stable=True)
    keep = torch.ones_like(scores, dtype=torch.bool)
    return keep.scatter_(1, order[:, : columns - keep_count // rows], value=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=5120)
    parser.add_argument("--columns", type=int, default=2048)
    arguments = parser.parse_args()

    scores = torch.rand(
        arguments.rows, arguments.columns, generator=torch.Generator().manual_seed(0)
    )
    keep_count = scores.numel() // 2
    ratios = []
    for _ in range(5):
        started = time.perf_counter()
        ours = keep_largest(scores, keep_count, compare="row")
        middle = time.perf_counter()
        theirs = by_sorting(scores, keep_count)
        ended = time.perf_counter()
        assert torch.equal(ours, theirs)
        ratios.append((ended - middle) / (middle - started))
    print(f"{arguments.rows} x {arguments.columns}, {torch.get_num_threads()} threads")
    print(f"sorting takes {statistics.median(ratios):.2f} times as long (from {min(ratios):.2f})")


if __name__ == "__main__":
    main()
