"""Wanda equals locuslab/wanda, given the reference's own count per row."""

import torch

from harness_plugins.methods.wanda import Wanda
from tests.conformance.reference import Vectors, layer_job, n_of_m


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
