"""SparseGPT follows IST-DASLab/sparsegpt, which prunes one weight more of every column block.

One count more moves a threshold, and what follows in the sweep may tip with it: over all vectors
at most 0.1 % of the entries. Where the inputs are fewer than the columns more of them tip, 0.23 %
of that vector. n:m has no threshold, so there masks and weights are the reference's own.
"""

from collections.abc import Iterator

import pytest
import torch

from harness.budget import keep_total
from harness.plugin import LayerResult
from harness.plugin.manager import Plugins
from harness_plugins.methods.sparsegpt import SparseGPT
from tests.conformance.reference import ReferenceLlama, Vectors, deviation, layer_job, n_of_m

BLOCK = 128


def blocks(columns: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, columns, BLOCK)]


def runs(vectors: Vectors, prefix: str) -> dict[str, torch.Tensor]:
    head = f"{prefix}.original."
    found = {
        key.removeprefix(head).removesuffix(".weight"): value
        for key, value in vectors.items()
        if key.startswith(head)
    }
    assert found
    return found


def pruned(vectors: Vectors, prefix: str) -> Iterator[tuple[str, torch.Tensor, LayerResult]]:
    """Every published run of a layer: its name, its weights, and what ours makes of the layer."""
    weight, inputs = vectors[f"{prefix}.weight"], vectors[f"{prefix}.inputs"]
    for run, theirs in runs(vectors, prefix).items():
        pattern = n_of_m(run) if run.startswith("prune") else None
        sparsity = 1 - pattern.keep / pattern.of if pattern else float(run)
        keep_count = keep_total(weight.numel(), sparsity)
        yield run, theirs, SparseGPT().prune(layer_job(weight, inputs, keep_count, pattern))


@pytest.mark.parametrize(
    ("prefix", "tolerance", "flips"),
    [("sparsegpt", 1e-4, 1e-3), ("sparsegpt.deficient", 1e-2, 3e-3)],
)
def test_layers_follow_the_reference(
    vectors: Vectors, prefix: str, tolerance: float, flips: float
) -> None:
    for run, theirs, result in pruned(vectors, prefix):
        exact = run.startswith("prune")
        kept = theirs != 0
        for block in blocks(theirs.shape[1]):
            apart = int(result.keep[:, block].sum() - kept[:, block].sum())
            assert abs(apart) <= (0 if exact else 1), run
        allowed = 0 if exact else len(blocks(theirs.shape[1])) + flips * theirs.numel()
        assert int((result.keep != kept).sum()) <= allowed, run
        same = (result.keep == kept).all(dim=1)
        assert bool(same.any())
        assert result.weight is not None
        assert deviation(result.weight[same], theirs[same]) < tolerance, run


def test_one_entry_in_a_thousand_tips(vectors: Vectors) -> None:
    tipped, entries = 0, 0
    for prefix in ("sparsegpt", "sparsegpt.deficient"):
        for _, theirs, result in pruned(vectors, prefix):
            kept = theirs != 0
            counts = abs(int(result.keep.sum()) - int(kept.sum()))
            tipped += int((result.keep != kept).sum()) - counts
            entries += theirs.numel()

    assert tipped <= 1e-3 * entries


def test_a_whole_llama_follows_the_reference(
    reference_llama: ReferenceLlama, plugins: Plugins
) -> None:
    runs = [run for run in reference_llama.runs("sparsegpt") if "of" not in run]
    if not runs:
        pytest.skip("the folder has no run of sparsegpt at a sparsity")
    for run in runs:
        model = reference_llama.model()

        pruned = reference_llama.prune(model, "sparsegpt", run, plugins)

        first = model.layers[0]
        differing = pruned.masks[first.name] != (reference_llama.pruned(run, first) != 0)
        assert int(differing.sum()) <= len(blocks(first.shape[1])) + 1e-3 * first.numel
