"""Inputs that say nothing: where a published method goes on, every pruner does."""

import dataclasses
import math
from typing import Any

import pytest
import torch

from harness.contract import prune_layer
from harness.plugin import LayerInfo, LayerJob, Pattern, PrunerTags, Statistics
from harness.plugin.manager import load_plugins
from harness.testing import statistics_of
from harness_plugins.methods.wanda import Wanda

INSTALLED = load_plugins()
PRUNERS = sorted(p.name for p in INSTALLED.local_pruners)
ROWS, COLUMNS = 6, 16


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def some_dead() -> torch.Tensor:
    inputs = drawn(3, 10, COLUMNS)
    inputs[..., ::3] = 0
    return inputs


#: Inputs (samples, tokens, in).
INPUTS = {
    "all dead": torch.zeros(3, 10, COLUMNS),
    "some dead": some_dead(),
    "one token": drawn(1, 1, COLUMNS),
    "constant": torch.ones(3, 10, COLUMNS),
    "of rank one": drawn(30, 1).mul(drawn(1, COLUMNS)).reshape(3, 10, COLUMNS),
    "tiny": drawn(3, 10, COLUMNS) * 1e-18,
}
WEIGHTS = {
    "drawn": drawn(ROWS, COLUMNS),
    "zero": torch.zeros(ROWS, COLUMNS),
    "row and column of zeros": drawn(ROWS, COLUMNS)
    * (torch.arange(ROWS).ne(2).outer(torch.arange(COLUMNS).ne(5))),
}


def job_of(weight: torch.Tensor, inputs: torch.Tensor, pattern: Pattern | None) -> LayerJob:
    info = LayerInfo(name="l", tower="t", block=0, role="r", shape=(ROWS, COLUMNS), stream="t")
    kinds = {"input_sq", "input_mean", "input_var", "input_var_within", "gram"}
    stats: Statistics = statistics_of(info, inputs, kinds)  # type: ignore[arg-type]
    return LayerJob(
        info=info,
        weight=weight.clone(),
        keep_count=ROWS * COLUMNS // 2,
        pattern=pattern,
        stats=stats,
        scores=torch.zeros(ROWS, COLUMNS),
        keep=None,
        rng=torch.Generator().manual_seed(0),
    )


@pytest.mark.parametrize("pattern", [None, Pattern(2, 4)], ids=str)
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_goes_on(name: str, inputs: str, weight: str, pattern: Any) -> None:
    pruner = INSTALLED.local_pruners.get(name).given()
    job = job_of(WEIGHTS[weight], INPUTS[inputs], pattern)
    if PrunerTags.of(pruner).refines:
        job = dataclasses.replace(job, keep=Wanda().prune(job).keep)

    result = prune_layer(pruner, job)

    assert all(map(math.isfinite, result.notes.values()))


@pytest.mark.parametrize("name", ["sparsegpt", "obs", "sparsegpt-official"])
@pytest.mark.parametrize(("inputs", "dead"), [("all dead", COLUMNS), ("some dead", 6)])
def test_dead_inputs_are_noted(name: str, inputs: str, dead: int) -> None:
    job = job_of(WEIGHTS["drawn"], INPUTS[inputs], None)
    job = dataclasses.replace(job, keep=Wanda().prune(job).keep)

    result = INSTALLED.local_pruners.get(name).given().prune(job)

    assert result.notes["dead_inputs"] == dead
