"""``python -m tests.faults [--share SHARE] [--seed SEED]``: break runs, finish them, compare."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.kinds import FAULTS
from tests.faults.table import Table
from tests.faults.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of all faults, in (0, 1]")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments and bytes")
    asked = parser.parse_args()
    started, table = time.monotonic(), Table()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        world = World(Path(folder))
        for fault in FAULTS:
            fault(world, table, asked.share, random.Random(f"{asked.seed} {fault.__name__}"))
    took = f"{table.tried} faults in {time.monotonic() - started:.0f} seconds"
    sys.stdout.write(f"{table.text()}\n\n{took}\n")
    sys.stderr.writelines(f"{case}\n" for case in table.wrong)
    return 1 if table.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
