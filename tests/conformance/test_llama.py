"""A whole Llama pruned as the published repository of Wanda prunes it: masks, weights and loss."""

import pytest
import torch

from harness.plugin.manager import Plugins
from tests.conformance.reference import ReferenceLlama, deviation

TIES = 1e-4


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [
        ("wanda", "wanda"),
        ("magnitude", "magnitude-official"),
        ("sparsegpt", "sparsegpt-official"),
    ],
)
def test_masks_weights_and_loss_are_the_published_ones(
    reference_llama: ReferenceLlama, plugins: Plugins, kind: str, recipe: str
) -> None:
    runs = reference_llama.runs(kind)
    if not runs:
        pytest.skip(f"the folder has no run of {kind}")
    for run in runs:
        assert_as_published(reference_llama, plugins, recipe, run)


def test_sparsegpt_by_pattern_needs_no_quirk(
    reference_llama: ReferenceLlama, plugins: Plugins
) -> None:
    runs = [run for run in reference_llama.runs("sparsegpt") if "of" in run]
    if not runs:
        pytest.skip("the folder has no run of sparsegpt by a pattern")
    for run in runs:
        assert_as_published(reference_llama, plugins, "sparsegpt", run)


def assert_as_published(
    reference_llama: ReferenceLlama, plugins: Plugins, recipe: str, run: str
) -> None:
    model = reference_llama.model()

    reference_llama.prune(model, recipe, run, plugins)

    flips = 0
    for layer in model.layers:
        ours, theirs = model.weight(layer), reference_llama.pruned(run, layer)
        agree = ((ours != 0) == (theirs != 0)).all(dim=1)
        if flips == 0:  # what is behind an entry that flipped was calibrated with it
            assert deviation(ours[agree], theirs[agree]) < 1e-5, layer.name
        flips += int(((ours != 0) != (theirs != 0)).sum())
    assert flips <= TIES * sum(layer.numel for layer in model.layers)
    ids = reference_llama.tensors["calibration.input_ids"]
    module = model.loaded.module
    with torch.no_grad():
        loss = module(input_ids=ids, labels=ids).loss
    assert float(loss) == pytest.approx(float(reference_llama.tensors[f"{run}.loss"]), rel=1e-5)


def test_the_dense_model_has_the_published_loss(reference_llama: ReferenceLlama) -> None:
    ids = reference_llama.tensors["calibration.input_ids"]
    module = reference_llama.model().loaded.module
    with torch.no_grad():
        loss = module(input_ids=ids, labels=ids).loss

    assert float(loss) == pytest.approx(float(reference_llama.tensors["dense_loss"]), rel=1e-5)
