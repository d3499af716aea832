"""How long ``import harness.cli`` and ``harness --help`` take, in fresh processes.

python benchmarks/startup.py [--rounds 15]
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

IMPORT = "import time; t = time.perf_counter(); import harness.cli; print(time.perf_counter() - t)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    imports, helps = [], []
    for _ in range(arguments.rounds):
        done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True)
        imports.append(float(done.stdout))
        started = time.perf_counter()
        command = [Path(sys.executable).parent / "harness", "--help"]
        subprocess.run(command, capture_output=True, check=True)
        helps.append(time.perf_counter() - started)
    print(f"import harness.cli: median {statistics.median(imports):.3f} s")
    print(f"harness --help, the whole process: median {statistics.median(helps):.3f} s")


if __name__ == "__main__":
    main()
