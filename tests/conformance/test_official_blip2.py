"""Official recipes give the weights that the released ECoFLaP gives a whole BLIP-2, end to end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.plugin.manager import Plugins
from harness_plugins.methods.official import zeroth_order
from tests.conformance.reference_blip2 import ReferenceBlip2


@pytest.fixture(scope="module")
def reference(conformance: Path) -> ReferenceBlip2:
    if not (conformance / "blip2.safetensors").is_file():
        pytest.skip("the reference's BLIP-2 is not in the repository")
    return ReferenceBlip2(conformance)


def test_the_dense_model_is_the_references(reference: ReferenceBlip2) -> None:
    model = reference.model()
    with torch.no_grad():
        losses = torch.stack([model.loaded.loss(batch) for batch in reference.batches])

    torch.testing.assert_close(losses, reference.tensors["dense_loss"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("run", "recipe", "settings"),
    [
        ("wanda.0.5", "wanda-official", {}),
        ("ecoflap_first.0.5", "ecoflap-first-official", {"score.samples": 12}),
        ("ecoflap_first.0.6", "ecoflap-first-official", {"score.samples": 12}),
        ("ecoflap_zeroth.0.5", "ecoflap-official", {"score.samples": 8}),
        ("global_magnitude.0.5", "global-magnitude-official", {}),
        ("global_gradient.0.5", "global-gradient-official", {"score.samples": 12}),
        (
            "global_gradient_per_tower.0.5",
            "global-gradient-official",
            {"score.samples": 12, "budget.scope": "model"},
        ),
    ],
)
def test_pruned_weights_equal_the_released_codes(
    reference: ReferenceBlip2,
    plugins: Plugins,
    monkeypatch: pytest.MonkeyPatch,
    run: str,
    recipe: str,
    settings: dict[str, Any],
) -> None:
    seeds = np.random.RandomState(reference.content["runs"][run]["settings"]["numpy_seed"])
    monkeypatch.setattr(zeroth_order, "draw_seed", lambda _: int(seeds.randint(1_000_000_000)))
    theirs = reference.pruned(run)

    model = reference.prune(recipe, float(run.split(".", 1)[1]), plugins, **settings)

    assert {layer.name for layer in model.layers} == theirs.keys()
    flips = {
        layer.name: int(((model.weight(layer) != 0) != (theirs[layer.name] != 0)).sum())
        for layer in model.layers
    }
    assert sum(flips.values()) <= 1e-4 * sum(i.numel for i in model.layers), flips
    for layer in model.layers:
        both = (model.weight(layer) != 0) & (theirs[layer.name] != 0)
        torch.testing.assert_close(model.weight(layer)[both], theirs[layer.name][both])
