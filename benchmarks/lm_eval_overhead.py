"""What our batches, scores per item and records cost beside lm-eval's own evaluation.

Both evaluate the same task with one `HFLM` on the same live model; reading the data and writing
the prompts counts on both sides. Prints seconds of processor time, median of three, and the scores.

python benchmarks/lm_eval_overhead.py MODEL TASK_FILES NAME [BATCH_SIZE]
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness.asking import BatchedAsker
from harness.model import load_model
from harness.plugin.manager import load_plugins
from harness.resume import ResumeLog
from harness.spec import ModelSpec
from harness_tasks.lm_eval import LmEval
from harness_tasks.lm_eval.loading import find_manager, quiet

RUNS = 3


def timed(run: Callable[[], float]) -> tuple[float, float]:
    """(Median seconds of processor time, what the last run gave)."""
    seconds, given = [], 0.0
    for _ in range(RUNS):
        start = time.process_time()
        given = run()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), given


def main(folder: str, files: Path, name: str, batch_size: int) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    loaded = load_model(ModelSpec(name=folder), load_plugins()).loaded
    key = ""

    def ours() -> float:
        nonlocal key
        task = LmEval(name)
        profile = task.profiles[0]
        examples = task.examples(files, profile, None)
        with tempfile.TemporaryDirectory() as log, ResumeLog(Path(log) / "log") as opened:
            asker = BatchedAsker(
                loaded, batch_size=batch_size, log=opened, progress=lambda *_: None
            )
            outputs = task.ask(asker, examples, profile)
        scores = task.score(examples, outputs, profile)
        key = task.metric.name
        return sum(scores.per_sample) / len(scores.per_sample)

    def theirs() -> float:
        with quiet():
            results = simple_evaluate(
                HFLM(pretrained=loaded.module, tokenizer=loaded.tokenizer, batch_size=batch_size),
                tasks=[name],
                task_manager=find_manager(files),
                bootstrap_iters=0,
                log_samples=False,
            )
        return float(results["results"][name][key])

    ours()  # reads the data into the cache of data sets
    for who, run in (("lm_eval.simple_evaluate", theirs), ("harness", ours)):
        seconds, score = timed(run)
        print(f"{name}, batch {batch_size}: {who} {seconds:.2f} s, {key} {score:.6f}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int((*sys.argv[4:], "32")[0]))
