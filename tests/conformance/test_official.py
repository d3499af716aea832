"""Official parts equal the released code, quirks included; clean ones differ only by these."""

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.budget import allocate, make_target
from harness.plugin import Group, LayerInfo, LocalPruner, ScoreTable, keep_largest
from harness.plugin.manager import Plugins
from harness.scoring import ScoreSet, Table
from harness_plugins.methods.global_pruning import PooledThreshold
from harness_plugins.methods.magnitude import Magnitude
from harness_plugins.methods.official import zeroth_order
from harness_plugins.methods.official.aobd import FirstOrderAOBD
from harness_plugins.methods.official.capped_proportional import CappedProportionalOfficial
from harness_plugins.methods.official.matrix_group import WandaMatrixOfficial
from harness_plugins.methods.official.pooled_threshold import PooledThresholdOfficial
from harness_plugins.methods.official.sparsegpt import SparseGPTECoFLaP, SparseGPTOfficial
from harness_plugins.methods.official.zeroth_order import ZerothOrderOfficial
from harness_plugins.methods.wanda import Wanda
from tests.conformance.reference import ReferenceLlama, Toy, Vectors, deviation, layer_job, n_of_m


def kept(numel: int, sparsity: str) -> int:
    """As the decimal says: 0.7 of 11,520 are 8,064, in binary fractions a little less."""
    return numel - math.floor(numel * Fraction(sparsity))


def runs(vectors: Vectors, head: str, tail: str) -> dict[str, torch.Tensor]:
    """What stands between head and tail -> tensor."""
    found = {
        key.removeprefix(head).removesuffix(tail): value
        for key, value in vectors.items()
        if key.startswith(head) and key.endswith(tail)
    }
    assert found, head
    return found


def test_wanda_over_matrices(vectors: Vectors) -> None:
    weight, inputs = vectors["wanda.weight"], vectors["wanda.inputs"]

    for sparsity, theirs in runs(vectors, "wanda.matrix.", ".keep").items():
        job = layer_job(weight, inputs, kept(weight.numel(), sparsity), tower="vision")

        assert torch.equal(WandaMatrixOfficial().prune(job).keep, theirs), sparsity
        clean = Wanda(compare="layer").prune(job).keep
        assert int((clean != theirs).sum()) == 1, sparsity


def test_wanda_over_rows_outside_vision(vectors: Vectors) -> None:
    weight, inputs = vectors["wanda.weight"], vectors["wanda.inputs"]

    for sparsity, theirs in runs(vectors, "wanda.row.", ".keep").items():
        job = layer_job(weight, inputs, kept(weight.numel(), sparsity))

        assert torch.equal(WandaMatrixOfficial().prune(job).keep, theirs), sparsity


def test_magnitude_of_a_llama(reference_llama: ReferenceLlama, plugins: Plugins) -> None:
    """The released code takes one weight more; magnitude in the clear takes as many as asked."""
    runs = reference_llama.runs("magnitude")
    if not runs:
        pytest.skip("the folder has no run of magnitude")
    for run in runs:
        model = reference_llama.model()
        sparsity = run.removeprefix("magnitude.")
        clean = {
            i.name: Magnitude().prune(dense_job(model.weight(i), i, sparsity)).keep
            for i in model.layers
        }

        pruned = reference_llama.prune(model, "magnitude-official", run, plugins)

        for layer in model.layers:
            theirs = reference_llama.pruned(run, layer) != 0
            assert torch.equal(pruned.masks[layer.name], theirs), layer.name
            assert int((clean[layer.name] != theirs).sum()) <= 1, layer.name


def dense_job(weight: torch.Tensor, layer: LayerInfo, sparsity: str) -> Any:
    keep = kept(layer.numel, sparsity)
    return layer_job(weight.clone(), torch.ones(1, 1, 1, layer.shape[1]), keep)


@pytest.mark.parametrize(
    ("pruner", "head", "tolerance"),
    [
        (SparseGPTOfficial(), "sparsegpt.original.", 1e-4),
        (SparseGPTOfficial(), "sparsegpt.deficient.original.", 1e-2),
        (SparseGPTECoFLaP(), "sparsegpt.ecoflap.", 1e-4),
        (SparseGPTECoFLaP(), "sparsegpt.deficient.ecoflap.", 1e-2),
    ],
)
def test_sparsegpt_of_layers(
    vectors: Vectors, pruner: LocalPruner, head: str, tolerance: float
) -> None:
    prefix = head.rsplit(".", 2)[0]
    weight, inputs = vectors[f"{prefix}.weight"], vectors[f"{prefix}.inputs"]

    for run, theirs in runs(vectors, head, ".weight").items():
        pattern = n_of_m(run) if run.startswith("prune") else None
        sparsity = "0.5" if pattern else run
        job = layer_job(weight, inputs, kept(weight.numel(), sparsity), pattern)
        result = pruner.prune(job)

        mask = theirs != 0
        assert int((result.keep != mask).sum()) <= 1e-3 * weight.numel(), run
        same = (result.keep == mask).all(dim=1)
        assert result.weight is not None
        assert deviation(result.weight[same], theirs[same]) < tolerance, run


@pytest.mark.parametrize(
    ("kind", "scope"), [("signed", "joint"), ("abs", "joint"), ("layerwise", "layer")]
)
def test_global_masks(vectors: Vectors, kind: str, scope: Any) -> None:
    names = sorted({key.split(".", 4)[-1] for key in vectors if key.startswith("global.abs.")})
    scores = {name: vectors[f"global.{name}"] for name in names}
    if kind != "signed":
        scores = {name: score.abs() for name, score in scores.items()}
    layers = [
        LayerInfo(name=name, tower="t", block=0, role="r", shape=tuple(score.shape), stream="t")
        for name, score in scores.items()
    ]
    table = ScoreSet("weight", dict.fromkeys(scores, 1.0), scores).table(layers, "layer")

    for sparsity in runs(vectors, f"global.{kind}.", f".{names[0]}"):
        target = make_target(layers, float(sparsity), None, None)
        budget = allocate(PooledThresholdOfficial(scope=scope), table, layers, target)
        for layer in layers:
            theirs = vectors[f"global.{kind}.{sparsity}.{layer.name}"]
            score = scores[layer.name]
            mask = keep_largest(score, budget.keep[layer.name], compare="layer")
            assert torch.equal(mask, theirs), (sparsity, layer.name)
        if scope == "joint":
            assert budget == allocate(PooledThreshold(), table, layers, target)


def block_table(
    scores: dict[str, float], sizes: dict[str, int]
) -> tuple[ScoreTable, list[LayerInfo]]:
    layers = [
        LayerInfo(name=name, tower="t", block=index, role="r", shape=(1, size), stream="t")
        for index, (name, size) in enumerate(sizes.items())
    ]
    groups = [Group(name=f"t.{i.block}", tower="t", layers=(i,)) for i in layers]
    return Table(groups, {f"t.{i.block}": scores[i.name] for i in layers}), layers


def assert_as_published(
    scores: dict[str, float], sizes: dict[str, int], case: dict[str, Any], aggregate: Any
) -> None:
    table, layers = block_table(scores, sizes)
    target = make_target(layers, case["p"], case["p_max"], None)
    budget = allocate(CappedProportionalOfficial(aggregate=aggregate), table, layers, target)
    published = {k: n - int(n * case["sparsity"][k]) for k, n in sizes.items()}
    assert dict(budget.keep) == published, case["p"]


def test_budgets_equal_the_published_ones(conformance: Path) -> None:
    for case in json.loads((conformance / "vectors.json").read_text())["allocator"]:
        assert_as_published(case["scores"], case["sizes"], case, "sum")


def test_budgets_of_the_real_blip2_scores(conformance: Path) -> None:
    files = [conformance / name for name in ("allocator_blip2.json", "real_blip2_scores.json")]
    if not all(file.is_file() for file in files):
        pytest.skip("holds the authors' own data, which is not in the repository")
    content, published = (json.loads(file.read_text()) for file in files)
    sizes = content["num_weights"]

    for case in content["cases"]:
        totals = {
            name: sum(
                v
                for matrix, v in published[case["scores"]].items()
                if matrix.startswith(f"{name}.")
            )
            for name in sizes
        }
        assert_as_published(totals, sizes, case, {"avg": "mean"}.get(case["aggregate"], "sum"))


@pytest.mark.parametrize("which", range(4))
def test_zeroth_order_scores(
    vectors: Vectors, conformance: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """With the published seeds, drift and all."""
    case = json.loads((conformance / "vectors.json").read_text())["zeroth_order"][which]
    seeds = iter(case["draws"])
    drawn: list[list[Any]] = []

    def next_seed(_: torch.Generator) -> int:
        drawn.append(next(seeds))
        return int(drawn[-1][1])

    monkeypatch.setattr(zeroth_order, "draw_seed", next_seed)
    toy = Toy(vectors)
    before = {i.name: toy.weight(i).clone() for i in toy.layers}

    scores = dict(ZerothOrderOfficial(noises=case["num_noise"], eps=case["eps"]).score(toy))

    assert drawn == case["draws"]
    for name, score in case["scores"].items():
        assert scores[name] == pytest.approx(score, rel=1e-3), name
    assert any(not torch.equal(toy.weight(i), before[i.name]) for i in toy.layers)


def test_aobd_is_the_square_times_the_published_gradient(vectors: Vectors) -> None:
    toy = Toy(vectors)

    for name, score in FirstOrderAOBD(granularity="weight").score(toy):
        theirs = toy.weight(toy.layer(name)).square() * vectors[f"first_order.GradOnly.{name}"]
        torch.testing.assert_close(score, theirs, rtol=1e-5, atol=1e-9)
