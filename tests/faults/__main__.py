"""``python -m tests.faults [--share SHARE] [--seed SEED] [--jobs JOBS]``: break runs, compare."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from harness.plugin.faults import one_line
from tests.faults.kinds import FAULTS, Share
from tests.faults.table import Table
from tests.faults.world import World

Fork = multiprocessing.get_context("fork")


def work(world: World, share: Share, seed: int, tables: SimpleQueue[Table]) -> None:
    """Try a share of all faults."""
    table = Table()
    try:
        for fault in FAULTS:
            fault(world, table, share, random.Random(f"{seed} {share.job} {fault.__name__}"))
    except Exception as error:
        table.wrong.append(f"job {share.job} ended: {one_line(error)}")
    tables.put(table)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of all faults, in (0, 1]")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments and bytes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at once")
    asked = parser.parse_args()
    started, table = time.monotonic(), Table()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        world = World(Path(folder))
        tables: SimpleQueue[Table] = Fork.SimpleQueue()
        shares = [
            Share(asked.share, job, asked.jobs, random.Random(asked.seed))
            for job in range(asked.jobs)
        ]
        processes = [Fork.Process(target=work, args=(world, i, asked.seed, tables)) for i in shares]
        for process in processes:
            process.start()
        for _ in processes:
            table.take(tables.get())
        for process in processes:
            process.join()
    took = f"{table.tried} faults in {time.monotonic() - started:.0f} seconds"
    sys.stdout.write(f"{table.text()}\n\n{took}\n")
    sys.stderr.writelines(f"{case}\n" for case in table.wrong)
    return 1 if table.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
