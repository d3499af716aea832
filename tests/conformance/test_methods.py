"""Published code of OWL, AlphaPruning, ATP, Wanda and its others, met on a tiny Llama and ViT.

Official recipes give the published counts and masks. Clean ones meet the sparsity that is asked
for, and give the published masks once they are given the published counts.
"""

from fractions import Fraction
from typing import Any

import pytest
import torch

from harness.budget import allocate, make_target
from harness.composition import compose
from harness.errors import InfeasibleError
from harness.plugin.manager import Plugins
from harness.scoring import score
from harness.spec import PrunerSpec
from harness_plugins.methods.alphapruning import block_factors
from harness_plugins.methods.atp import DepthProgression
from harness_plugins.methods.official.atp import progression
from harness_plugins.methods.official.hill import HillOfficial
from harness_plugins.methods.official.owl import keep_ratios
from harness_plugins.methods.owl import OutlierRatio
from tests.conformance.reference_methods import TIES, Entry, ReferenceMethods
from tests.conformance.stages import run_stages

#: Head of an entry's name -> our recipe, and which of its settings are ours.
RECIPES = {
    "wanda": ("wanda", {}),
    "owl": ("owl", {"score.times": "Hyper_m", "budget.spread": "Lamda"}),
    "alphapruning": ("alphapruning", {"score.fit": "ww_metric", "budget.spread": "epsilon"}),
    "atp": ("atp", {"budget.beta": "beta"}),
    "wanda_variant": ("wanda-variant", {}),
}
OFFICIAL = {
    "wanda": PrunerSpec(recipe="wanda", budget="uniform-rows-official"),
    "owl": PrunerSpec(recipe="owl-official"),
    "alphapruning": PrunerSpec(recipe="alphapruning-official"),
    "atp": PrunerSpec(recipe="atp-official"),
    "wanda_variant": PrunerSpec(recipe="wanda-variant-official"),
}
GRANULARITY = {
    "row": PrunerSpec(recipe="wanda-vit-official"),
    "layer": PrunerSpec(
        recipe="wanda-vit-official",
        budget="fused-qkv-official",
        settings={"local.compare": "layer"},
    ),
}


def settings_of(entry: Entry) -> dict[str, Any]:
    _, names = RECIPES[entry.name.partition(".")[0]]
    return {ours: entry.settings[theirs] for ours, theirs in names.items()}


def clean(entry: Entry) -> PrunerSpec:
    recipe, _ = RECIPES[entry.name.partition(".")[0]]
    return PrunerSpec(recipe=recipe, settings=settings_of(entry))


def official(entry: Entry) -> PrunerSpec:
    spec = OFFICIAL[entry.name.partition(".")[0]]
    return spec.model_copy(update={"settings": settings_of(entry)})


def test_the_dense_model_has_the_published_loss(methods: ReferenceMethods) -> None:
    dense = methods.content["llama"]["dense_loss"]

    assert methods.loss(methods.llama()) == pytest.approx(dense, rel=1e-5)


@pytest.mark.parametrize("head", RECIPES)
def test_official_recipes_give_the_published_counts_and_masks(
    methods: ReferenceMethods, plugins: Plugins, head: str
) -> None:
    for entry in methods.entries(head):
        model = methods.llama()

        _, pruned = methods.prune(model, plugins, entry, official(entry))

        kept = {name: int(mask.sum()) for name, mask in pruned.masks.items()}
        assert kept == dict(entry.keep), entry.name
        assert methods.flips(entry, model, pruned) <= TIES, entry.name
        assert methods.loss(model) == pytest.approx(entry["loss"], rel=1e-4), entry.name


@pytest.mark.parametrize("head", RECIPES)
def test_clean_recipes_at_their_counts_give_their_masks(
    methods: ReferenceMethods, plugins: Plugins, head: str
) -> None:
    for entry in methods.entries(head):
        model = methods.llama()

        _, pruned = methods.prune(model, plugins, entry, clean(entry), counted=True)

        assert methods.flips(entry, model, pruned) <= TIES, entry.name
        assert methods.loss(model) == pytest.approx(entry["loss"], rel=1e-4), entry.name


@pytest.mark.parametrize("head", RECIPES)
def test_clean_recipes_meet_the_sparsity_to_the_weight(
    methods: ReferenceMethods, plugins: Plugins, head: str
) -> None:
    for entry in methods.entries(head):
        model = methods.llama()

        _, pruned = methods.prune(model, plugins, entry, clean(entry))

        numel = sum(layer.numel for layer in model.layers)
        gone = numel - sum(int(mask.sum()) for mask in pruned.masks.values())
        assert gone == int(numel * Fraction(str(entry.sparsity))), entry.name


def test_outlier_shares_of_owl(methods: ReferenceMethods) -> None:
    """To within one weight of a block that lies at the threshold."""
    for entry in methods.entries("owl"):
        model = methods.llama()
        estimator = OutlierRatio(times=entry.settings["Hyper_m"])

        found = score(model, estimator, methods.calibration, 0, lambda *_: None)

        blocks = found.table(model.layers, "block").groups
        for block, theirs in zip(blocks, entry["block_outlier_percent"], strict=True):
            assert found.values[block.name] == pytest.approx(theirs, abs=100.1 / block.numel)


def test_keep_ratios_of_owl(methods: ReferenceMethods) -> None:
    for entry in methods.entries("owl"):
        ratios = keep_ratios(
            entry["block_outlier_percent"], entry.settings["Lamda"], entry.sparsity
        )

        assert ratios == pytest.approx(entry["block_keep_ratio"], abs=1e-9), entry.name


def test_alphas_of_alphapruning(methods: ReferenceMethods) -> None:
    for entry in methods.entries("alphapruning"):
        model = methods.llama()
        estimator = HillOfficial(fit=entry.settings["ww_metric"])

        found = score(model, estimator, None, 0, lambda *_: None)

        alphas = {name: 1 / value for name, value in found.values.items()}
        assert alphas == pytest.approx(entry["layer_alpha"], rel=1e-5), entry.name
        factors = block_factors(found.table(model.layers, "layer"), entry.settings["epsilon"])
        wanted = [factors[layer.group("block")] for layer in model.layers]
        sizes = [layer.numel for layer in model.layers]
        mean = sum(f * n for f, n in zip(wanted, sizes, strict=True)) / sum(sizes)
        scaled = {
            layer.name: factor * entry.sparsity / mean
            for layer, factor in zip(model.layers, wanted, strict=True)
        }
        theirs = entry["layer_sparsity_before_rounding"]
        assert scaled == pytest.approx(theirs, abs=1e-4), entry.name


def test_block_sparsities_of_atp(methods: ReferenceMethods) -> None:
    """Those of every legal beta; an illegal one is refused, here as there."""
    for entry in methods.entries("atp"):
        layers = methods.llama().layers
        target = make_target(layers, entry.sparsity, None, None)
        for beta, theirs in entry["block_sparsity_by_beta"].items():
            if isinstance(theirs, str):
                with pytest.raises(InfeasibleError, match="the largest legal beta"):
                    progression(float(beta), layers, entry.sparsity)
                with pytest.raises(InfeasibleError, match="the largest legal beta"):
                    allocate(DepthProgression(float(beta)), None, layers, target)
            else:
                ours = progression(float(beta), layers, entry.sparsity)
                blocks = {layer.block: ours[layer.name] for layer in layers}
                assert blocks == pytest.approx(dict(enumerate(theirs)), abs=1e-12)
        progression(entry["largest_legal_beta"] * (1 - 1e-9), layers, entry.sparsity)


def test_alphas_of_wandas_variant(methods: ReferenceMethods, plugins: Plugins) -> None:
    """Theirs is the last of a bisection, ours the least that takes as many weights."""
    for entry in methods.entries("wanda_variant"):
        _, bisected = methods.prune(methods.llama(), plugins, entry, official(entry))
        _, exact = methods.prune(methods.llama(), plugins, entry, clean(entry), counted=True)

        for layer, alpha in entry["layer_alpha"].items():
            assert bisected.notes[layer]["alpha"] == pytest.approx(alpha, rel=1e-5), layer
            assert alpha - 2e-3 <= exact.notes[layer]["alpha"] <= alpha + 1e-6, layer


@pytest.mark.parametrize("naming", ["hf", "timm"])
def test_wanda_of_image_classifiers(
    methods: ReferenceMethods, plugins: Plugins, naming: str
) -> None:
    """Statistics are the dense model's; a clean Wanda re-runs the blocks it pruned, and parts."""
    for entry in methods.entries("vit"):
        model = methods.vit(naming)
        dense_logits = model.loaded.module(pixel_values=methods.tensors["vit.pixel_values"]).logits
        torch.testing.assert_close(dense_logits, methods.tensors["vit.logits"], rtol=0, atol=1e-4)
        names = methods.stored_names(model, naming)
        theirs = {i.name: methods.mask(entry, i, named=names[i.name]) for i in model.layers}
        composition = compose(GRANULARITY[entry.settings["prune_granularity"]], plugins)

        _, pruned = run_stages(model, methods.images, composition, entry.sparsity)

        differing = sum(int((pruned.masks[name] != mask).sum()) for name, mask in theirs.items())
        assert differing <= TIES * sum(mask.numel() for mask in theirs.values()), entry.name
        keep = {name: int(mask.sum()) for name, mask in theirs.items()}
        assert_parts_behind_the_first_block(methods, plugins, naming, entry, keep)


def assert_parts_behind_the_first_block(
    methods: ReferenceMethods, plugins: Plugins, naming: str, entry: Entry, keep: dict[str, int]
) -> None:
    model = methods.vit(naming)
    names = methods.stored_names(model, naming)
    spec = PrunerSpec(
        recipe="wanda", settings={"local.compare": entry.settings["prune_granularity"]}
    )

    composition = compose(spec, plugins)
    _, pruned = run_stages(model, methods.images, composition, entry.sparsity, keep=keep)

    parted = {
        layer.block
        for layer in model.layers
        if not torch.equal(
            pruned.masks[layer.name], methods.mask(entry, layer, named=names[layer.name])
        )
    }
    assert parted
    assert 0 not in parted
