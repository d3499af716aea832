"""Train a miniature model on the training split of the miniature world.

    python -m harness_plugins.mini.train DATA OUT [--model blip2] [--steps N]

DATA is what `harness_tasks.editions.mini` writes; the model's module says which of its files it
reads. OUT becomes a Hugging Face folder (float16) with ``curve.csv`` beside the weights.
"""

import argparse
import copy
import csv
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from harness_plugins.mini.blip2 import Blip2
from harness_plugins.mini.causal_lm import CausalLM
from harness_plugins.mini.clip import Clip
from harness_plugins.mini.miniature import Miniature

MODELS: dict[str, Callable[[Path, torch.device], Miniature]] = {
    "blip2": Blip2,
    "clip": Clip,
    "causal-lm": CausalLM,
}


def train(
    miniature: Miniature, steps: int, device: torch.device, seed: int
) -> Iterator[dict[str, float]]:
    """Train in place; yields the curve's rows."""
    draw, model, recipe = random.Random(seed), miniature.model, miniature.recipe
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.02)
    started, running = time.perf_counter(), math.nan
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step, steps)
        with torch.autocast(device.type, torch.bfloat16):
            loss = miniature.loss(step, draw)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running = loss.item() if math.isnan(running) else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % recipe.every == 0 or step + 1 == steps:
            seconds = round(time.perf_counter() - started)
            model.eval()
            yield {"step": step + 1, "seconds": seconds, "loss": running} | miniature.measure()
            model.train()


def save(miniature: Miniature, curve: list[dict[str, float]], out: Path) -> None:
    copy.deepcopy(miniature.model).half().save_pretrained(out)
    with (out / "curve.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(curve[0]))
        writer.writeheader()
        writer.writerows(curve)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", choices=MODELS, default="blip2")
    parser.add_argument("--steps", type=int, help="default: as many as the bundled model had")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    device = torch.device(arguments.device)
    miniature = MODELS[arguments.model](arguments.data, device)
    for companion in miniature.companions:
        companion.save_pretrained(arguments.out)
    curve: list[dict[str, float]] = []
    steps = arguments.steps or miniature.recipe.steps
    for row in train(miniature, steps, device, arguments.seed):
        print(json.dumps(row), flush=True)
        curve.append(row)
        save(miniature, curve, arguments.out)


if __name__ == "__main__":
    main()
