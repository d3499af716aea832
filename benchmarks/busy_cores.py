"""What passive waiting of OpenMP's threads saves when another process wants a core.

    python benchmarks/busy_cores.py [--rounds 3]

Runs the dense row on 100 questions with torch's own number of threads, in turn with spinning and
with passive threads (the harness' default), while one other process keeps a core busy.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARGUMENTS = ["run", "--pruner", "dense", "--tasks", "vqav2@:100", "--results"]


def seconds(policy: str) -> float:
    environment = os.environ | {"OMP_WAIT_POLICY": policy}
    environment.pop("OMP_NUM_THREADS", None)
    with tempfile.TemporaryDirectory() as results:
        started = time.perf_counter()
        command = [Path(sys.executable).parent / "harness", *ARGUMENTS, results]
        subprocess.run(command, capture_output=True, check=True, env=environment)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        times = [(seconds("ACTIVE"), seconds("PASSIVE")) for _ in range(arguments.rounds)]
    finally:
        busy.kill()
    active, passive = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{os.cpu_count()} cores, one of them kept busy by another process")
    print(f"spinning {active:.1f} s, passive {passive:.1f} s: {active / passive:.1f} times")


if __name__ == "__main__":
    main()
