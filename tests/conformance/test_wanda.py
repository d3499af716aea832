"""Wanda equals locuslab/wanda, given the reference's own count per row."""

import pytest
import torch

from harness.plugin import Pattern
from harness.plugin.manager import Plugins
from harness_plugins.methods.wanda import Wanda
from tests.conformance.reference import ReferenceLlama, Vectors, layer_job, n_of_m


def test_row_masks_equal_the_reference(vectors: Vectors) -> None:
    weight, inputs = vectors["wanda.weight"], vectors["wanda.inputs"]
    rows, columns = weight.shape
    names = [key for key in vectors if key.startswith("wanda.row.")]
    assert names

    for name in names:
        sparsity = float(name.removeprefix("wanda.row.").removesuffix(".keep"))
        keep_count = rows * (columns - int(columns * sparsity))
        result = Wanda().prune(layer_job(weight, inputs, keep_count))

        assert torch.equal(vectors[name].bool(), result.keep), name


def test_n_of_m_masks_equal_the_reference(vectors: Vectors) -> None:
    weight, inputs = vectors["wanda.weight"], vectors["wanda.inputs"]
    names = [key for key in vectors if key.startswith("wanda.prune")]
    assert names

    for name in names:
        pattern = n_of_m(name.split(".")[1])
        keep_count = weight.numel() * pattern.keep // pattern.of
        result = Wanda().prune(layer_job(weight, inputs, keep_count, pattern))

        assert torch.equal(vectors[name].bool(), result.keep), name


@pytest.mark.parametrize(("run", "pattern"), [("wanda.0.5", None), ("wanda.2of4", Pattern(2, 4))])
def test_whole_llama_equals_the_reference(
    reference_llama: ReferenceLlama, plugins: Plugins, run: str, pattern: Pattern | None
) -> None:
    model = reference_llama.model()

    pruned = reference_llama.prune(model, "wanda", pattern, plugins)

    differing = sum(
        int((pruned.masks[i.name] != (reference_llama.pruned(run, i) != 0)).sum())
        for i in model.layers
    )
    assert differing <= 1e-4 * sum(i.numel for i in model.layers)
