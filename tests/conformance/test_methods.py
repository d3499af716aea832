"""The tiny Llama of the published methods, dense and after Wanda, on which theirs build."""

import pytest

from harness.plugin.manager import Plugins
from harness.spec import PrunerSpec
from tests.conformance.reference_methods import TIES, ReferenceMethods


def test_the_dense_model_has_the_published_loss(methods: ReferenceMethods) -> None:
    dense = methods.content["llama"]["dense_loss"]

    assert methods.loss(methods.llama()) == pytest.approx(dense, rel=1e-5)


def test_wanda_at_their_counts_gives_their_masks(
    methods: ReferenceMethods, plugins: Plugins
) -> None:
    for entry in methods.entries("wanda"):
        model = methods.llama()

        _, pruned = methods.prune(model, plugins, entry, PrunerSpec(recipe="wanda"), counted=True)

        assert methods.flips(entry, model, pruned) <= TIES, entry.name
        assert methods.loss(model) == pytest.approx(entry["loss"], rel=1e-5), entry.name
