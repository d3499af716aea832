"""How much the stand-ins for earlier blocks save in zeroth-order scoring.

    python benchmarks/zeroth_order.py [MODEL] [--samples 2]

Both ways score the same layers with the same noise in one process, in turn; the ratio of their
times is what counts, and their scores have to be equal to the bit.
"""

import argparse
import statistics
import time

import torch

from harness.calibration import draw_calibration
from harness.cli.options import cache_folder
from harness.model import Model, load_model
from harness.plugin import Batch
from harness.plugin.manager import load_plugins
from harness.session import Session
from harness.spec import CalibrationSpec, ModelSpec
from harness_plugins.methods.ecoflap import central_difference


class FullForward(Session):
    """A session whose every loss is a whole forward pass, as in the published code."""

    def loss(self, batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            return self._model.loaded.loss(batch)


def timed(session: Session, model: Model, samples: int) -> tuple[float, list[float]]:
    batches = session.batches(samples, size=1)
    started = time.perf_counter()
    scores = [
        central_difference(session, layer, batch, seed=number, eps=1e-3)
        for batch in batches
        for number, layer in enumerate(model.layers)
    ]
    return time.perf_counter() - started, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", nargs="?", default="mini-blip2")
    parser.add_argument("--calibration", default=None)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    from harness.notation import parse_calibration

    plugins = load_plugins()
    model = load_model(ModelSpec(name=arguments.model), plugins)
    spec = CalibrationSpec.model_validate(
        {"samples": arguments.samples, **parse_calibration(arguments.calibration)}
    )
    calibration = draw_calibration(spec, 0, model, plugins, cache_folder())
    sessions = [kind(model, calibration, 0, lambda *_: None) for kind in (FullForward, Session)]
    times: list[list[float]] = [[], []]
    for _ in range(arguments.rounds):
        results = [timed(session, model, arguments.samples) for session in sessions]
        assert results[0][1] == results[1][1], "the scores differ"
        for column, (seconds, _) in zip(times, results, strict=True):
            column.append(seconds)
    losses = 2 * len(model.layers) * arguments.samples
    full, short = (min(column) / losses * 1000 for column in times)
    ratios = [a / b for a, b in zip(*times, strict=True)]
    print(f"{arguments.model}: {losses} losses per round, {torch.get_num_threads()} threads")
    print(f"whole forward pass {full:.2f} ms per loss, from the perturbed block on {short:.2f} ms")
    print(f"ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
