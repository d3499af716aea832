"""How much faster are answers in batches? Items per CPU second at batch 1 and at larger ones.

    python benchmarks/throughput.py [--model mini-blip2] [--tasks vqav2,nocaps] [--items 192]

The same items, chunk after chunk at every batch size in turn, so that a busy machine slows all of
them alike; CPU seconds of this process, on one thread.
"""

import argparse
import os
import time
from collections import defaultdict

os.environ.setdefault("OMP_NUM_THREADS", "1")

from harness.asking import by_image
from harness.cli.options import cache_folder
from harness.model import load_model
from harness.plugin import Generates
from harness.plugin.manager import load_plugins
from harness.spec import DataSpec, ModelSpec, TaskSpec
from harness.tasks import open_task

SIZES = (1, 8, 32)
CHUNK = 96


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="mini-blip2")
    parser.add_argument("--tasks", default="vqav2,nocaps")
    parser.add_argument("--items", type=int, default=192)
    arguments = parser.parse_args()
    plugins = load_plugins()
    model = load_model(ModelSpec(name=arguments.model), plugins)
    assert isinstance(model.loaded, Generates)
    for name in arguments.tasks.split(","):
        task = open_task(TaskSpec(name=name), DataSpec(), cache_folder(), model, plugins)
        samples = [example.sample for example in task.examples[: arguments.items]]
        samples.sort(key=by_image(samples))
        model.loaded.generate(samples[:2], task.profile.generation)  # warm up
        seconds: dict[int, float] = defaultdict(float)
        for start in range(0, len(samples), CHUNK):
            chunk = samples[start : start + CHUNK]
            for size in SIZES:
                before = time.process_time()
                for first in range(0, len(chunk), size):
                    model.loaded.generate(chunk[first : first + size], task.profile.generation)
                seconds[size] += time.process_time() - before
        for size in SIZES:
            rate = len(samples) / seconds[size]
            ratio = seconds[1] / seconds[size]
            print(f"{name}: batch {size:3d}: {rate:7.1f} items/s, {ratio:5.2f} times batch 1")


if __name__ == "__main__":
    main()
