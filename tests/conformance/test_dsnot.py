"""DSnoT as its authors released it: masks, expected errors and loss of every run of theirs."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from harness.plugin import LayerJob
from harness.plugin.manager import Plugins
from harness.spec import PrunerSpec
from harness_plugins.methods.official.dsnot import DSnoTOfficial
from harness_plugins.methods.official.dsnot_lists import Exchanged
from tests.conformance.reference_methods import TIES, Entry, ReferenceMethods


def options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The published command line's options under our names."""
    return {
        "cycles": settings["max_cycle_time"],
        "threshold": settings["update_threshold"],
        "power": settings["pow_of_var_regrowing"],
        "same_sign": not settings["without_same_sign"],
        "skip": settings["skip_layer"].replace("no_skip", ""),
    }


def runs(methods: ReferenceMethods) -> list[Entry]:
    """The runs that have masks."""
    return [entry for entry in methods.entries("dsnot") if "layer_kept" in entry.content]


def test_masks_errors_and_loss_are_the_published_ones(
    methods: ReferenceMethods, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Exchanged] = {}
    exchange = DSnoTOfficial.exchange

    def watched(part: DSnoTOfficial, job: LayerJob) -> Exchanged:
        made[job.info.name] = exchange(part, job)
        return made[job.info.name]

    monkeypatch.setattr(DSnoTOfficial, "exchange", watched)
    for entry in runs(methods):
        made.clear()
        settings = {f"local.{name}": value for name, value in options(entry.settings).items()}
        spec = PrunerSpec(recipe="dsnot-official", settings=settings)
        model = methods.llama()

        _, pruned = methods.prune(model, plugins, entry, spec)

        assert methods.flips(entry, model, pruned) <= TIES, entry.name
        assert methods.loss(model) == pytest.approx(entry["loss"], rel=1e-5), entry.name
        for layer in model.layers:
            agree = (pruned.masks[layer.name] == methods.mask(entry, layer)).all(dim=1)
            if layer.name in made:
                before, after = methods.tensors[f"{entry.name}.error.{layer.name}"]
                close(made[layer.name].before[agree], before[agree])
                close(made[layer.name].after[agree], after[agree])
            if not bool(agree.all()):
                break  # what comes after was calibrated with it
            if layer.name in made:
                assert made[layer.name].cycles == entry["layer_cycles"][layer.name], layer.name
        assert made.keys() == entry["layer_cycles"].keys(), entry.name


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
