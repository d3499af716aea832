"""A whole Llama pruned as the published repository of Wanda prunes it: masks, weights and loss."""

import pytest
import torch

from harness.plugin import Pattern
from harness.plugin.manager import Plugins
from tests.conformance.reference import ReferenceLlama, deviation

TIES = 1e-4


@pytest.mark.parametrize(
    ("run", "recipe", "pattern"),
    [
        ("wanda.0.5", "wanda", None),
        ("wanda.2of4", "wanda", Pattern(2, 4)),
        ("magnitude.0.5", "magnitude-official", None),
        ("sparsegpt.0.5", "sparsegpt-official", None),
        ("sparsegpt.2of4", "sparsegpt-official", Pattern(2, 4)),
        ("sparsegpt.2of4", "sparsegpt", Pattern(2, 4)),
    ],
)
def test_masks_weights_and_loss_are_the_published_ones(
    reference_llama: ReferenceLlama,
    plugins: Plugins,
    run: str,
    recipe: str,
    pattern: Pattern | None,
) -> None:
    model = reference_llama.model()

    reference_llama.prune(model, recipe, pattern, plugins)

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
