"""RIA as its authors released it: scores, masks, permutations and loss of every run of theirs."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from harness.plugin import LayerJob, LayerResult, Pattern
from harness.plugin.manager import Plugins
from harness.spec import PrunerSpec
from harness_plugins.methods.official.ria import RIAOfficial
from tests.conformance.reference_methods import TIES, Entry, ReferenceMethods


def runs(methods: ReferenceMethods) -> list[Entry]:
    """The runs that have masks."""
    return [entry for entry in methods.entries("ria") if "layer_kept" in entry.content]


def options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The published command line's options under our names."""
    permute = "lsa" if settings.get("lsa") else "reallocation"
    return {
        "local.exponent": settings["a"],
        "local.compare": "row" if settings.get("per_outneuron") else "layer",
        "local.permute": permute if settings.get("reallocation") else "none",
    }


def pattern_of(settings: Mapping[str, Any]) -> Pattern | None:
    if "prune_n" not in settings:
        return None
    return Pattern(settings["prune_m"] - settings["prune_n"], settings["prune_m"])


def asked(methods: ReferenceMethods, entry: Entry) -> Entry:
    """A run with the counts that it was asked for: one more per layer than its threshold keeps."""
    is_inclusive = pattern_of(entry.settings) is None and "per_outneuron" not in entry.settings
    counts = {name: keep + is_inclusive for name, keep in entry.keep.items()}
    return Entry(entry.name, {**entry.content, "layer_kept": counts})


def test_masks_and_loss_are_the_published_ones(methods: ReferenceMethods, plugins: Plugins) -> None:
    for entry in runs(methods):
        spec = PrunerSpec(recipe="ria-official", settings=options(entry.settings))
        model, pattern = methods.llama(), pattern_of(entry.settings)

        _, pruned = methods.prune(
            model, plugins, asked(methods, entry), spec, pattern=pattern, counted=True
        )

        assert methods.flips(entry, model, pruned) <= TIES, entry.name
        assert methods.loss(model) == pytest.approx(entry["loss"], rel=1e-5), entry.name


def test_without_a_threshold_ria_needs_no_quirk(
    methods: ReferenceMethods, plugins: Plugins
) -> None:
    for entry in runs(methods):
        pattern = pattern_of(entry.settings)
        spec = PrunerSpec(recipe="ria", settings=options(entry.settings))
        model = methods.llama()

        _, pruned = methods.prune(
            model, plugins, asked(methods, entry), spec, pattern=pattern, counted=True
        )

        more = 0 if pattern or entry.settings.get("per_outneuron") else len(model.layers)
        entries = sum(layer.numel for layer in model.layers)
        flips = round(methods.flips(entry, model, pruned) * entries)
        assert flips <= TIES * entries + more, entry.name


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[LayerJob, LayerResult]]:
    """Layer -> what the official part was given and what it made of it, while it prunes."""
    made: dict[str, tuple[LayerJob, LayerResult]] = {}
    prune = RIAOfficial.prune

    def watched(part: RIAOfficial, job: LayerJob) -> LayerResult:
        made[job.info.name] = job, prune(part, job)
        return made[job.info.name][1]

    monkeypatch.setattr(RIAOfficial, "prune", watched)
    return made


def test_scores_are_the_published_ones(
    methods: ReferenceMethods,
    plugins: Plugins,
    seen: dict[str, tuple[LayerJob, LayerResult]],
) -> None:
    """Theirs are of the mean over samples of the summed squares, ours of the sum."""
    [scores] = methods.entries("ria.score")
    [entry] = methods.entries(scores.settings["run"])
    spec = PrunerSpec(recipe="ria-official", settings=options(entry.settings))

    methods.prune(methods.llama(), plugins, asked(methods, entry), spec, counted=True)

    for name in scores["shapes"]:
        job, _ = seen[name]
        exponent = scores.settings["a"]
        ours = RIAOfficial(exponent=exponent).scores(job) / job.stats.samples ** (exponent / 2)
        torch.testing.assert_close(ours, methods.tensors[f"ria.score.{name}"], rtol=1e-4, atol=0)


def test_permutations_are_the_published_ones_and_keep_as_much(
    methods: ReferenceMethods,
    plugins: Plugins,
    seen: dict[str, tuple[LayerJob, LayerResult]],
) -> None:
    """Where assignments tie another may be found, and one of as much worth."""
    for entry in runs(methods):
        if not entry.settings.get("reallocation"):
            continue
        spec = PrunerSpec(recipe="ria-official", settings=options(entry.settings))

        methods.prune(
            methods.llama(),
            plugins,
            entry,
            spec,
            pattern=pattern_of(entry.settings),
            counted=True,
        )

        for layer in methods.llama().layers:
            job, result = seen[layer.name]
            scores = RIAOfficial(exponent=entry.settings["a"]).scores(job)
            ours, theirs = scores[result.keep].sum(), scores[methods.mask(entry, layer)].sum()
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
            assert result.permutation is not None
            if not entry.settings.get("lsa"):
                order = methods.tensors[f"{entry.name}.permutation.{layer.name}"]
                assert torch.equal(result.permutation, order.long()), (entry.name, layer.name)
