"""First-order scores and global masks against ylsung/ECoFLaP."""

import math

import pytest
import torch

from harness.budget import allocate, make_target
from harness.plugin import LayerInfo, keep_largest
from harness.scoring import ScoreSet
from harness_plugins.methods.directional import Directional, GradientNorm
from harness_plugins.methods.ecoflap import ZerothOrder
from harness_plugins.methods.first_order import FirstOrder, Kind
from harness_plugins.methods.global_pruning import PooledThreshold
from tests.conformance.reference import Toy, Vectors

KINDS: dict[Kind, str] = {
    "product": "GradMagAbs",
    "square": "GradMagSquare",
    "gradient": "GradOnly",
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_first_order_scores_equal_the_reference(vectors: Vectors, kind: Kind) -> None:
    toy = Toy(vectors)

    per_weight = dict(FirstOrder(granularity="weight", kind=kind).score(toy))
    per_layer = dict(FirstOrder(kind=kind).score(toy))

    for layer in toy.layers:
        theirs = vectors[f"first_order.{KINDS[kind]}.{layer.name}"]
        torch.testing.assert_close(per_weight[layer.name], theirs, rtol=1e-5, atol=1e-9)
        assert per_layer[layer.name] == pytest.approx(float(theirs.double().sum()), rel=1e-5)


def layers_of(scores: Vectors) -> list[LayerInfo]:
    return [
        LayerInfo(name=name, tower="t", block=0, role="r", shape=tuple(score.shape), stream="t")
        for name, score in scores.items()
    ]


def test_global_masks_follow_the_reference(vectors: Vectors) -> None:
    """Published: a weight stays if its score is above the p-quantile of all, so one more may go."""
    names = [key.removeprefix("global.") for key in vectors if key.startswith("global.abs.")]
    scores = {
        key.removeprefix("global."): value.abs()
        for key, value in vectors.items()
        if key.startswith("global.") and key.split(".")[1] not in ("abs", "signed", "layerwise")
    }
    layers = layers_of(scores)
    assert names

    for sparsity in sorted({float(".".join(name.split(".")[1:3])) for name in names}):
        table = ScoreSet("weight", dict.fromkeys(scores, 1.0), scores).table(layers, "layer")
        target = make_target(layers, sparsity, None, None)
        budget = allocate(PooledThreshold(), table, layers, target)

        assert budget.total == target.keep
        differing = 0
        for layer in layers:
            mask = keep_largest(scores[layer.name], budget.keep[layer.name], compare="layer")
            theirs = vectors[f"global.abs.{sparsity:g}.{layer.name}"].bool()
            differing += int((mask != theirs).sum())
        assert differing <= 1, sparsity


def test_directional_is_the_central_difference_with_the_same_directions(vectors: Vectors) -> None:
    """Up to O(eps^2) where the loss is smooth: a tenth of the eps, a hundredth of the error."""

    def toy() -> Toy:
        return Toy(vectors, dtype=torch.float64, seed=5, activation=torch.tanh)

    exact = dict(Directional(noises=2).score(toy()))
    apart = []
    for eps in (1e-2, 1e-3):
        differences = dict(ZerothOrder(eps=eps, noises=2).score(toy()))
        apart.append(max(abs(differences[k] - v) / v for k, v in exact.items()))

    assert apart[0] < 1e-2
    assert apart[1] < apart[0] / 50


def test_gradient_norm_is_the_limit_of_many_directions(vectors: Vectors) -> None:
    limit = dict(GradientNorm().score(Toy(vectors, dtype=torch.float64)))
    many = dict(Directional(noises=5000).score(Toy(vectors, dtype=torch.float64, seed=1)))

    for name, value in limit.items():
        assert many[name] == pytest.approx(value, rel=0.02)


def test_gradient_norm_by_hand(vectors: Vectors) -> None:
    toy = Toy(vectors)
    norms = [{i.name: float(g.norm()) for i, g in toy.gradients(b)} for b in toy.given]

    for name, score in GradientNorm().score(toy):
        mean = sum(of_batch[name] for of_batch in norms) / len(norms)
        assert score == pytest.approx(math.sqrt(2 / math.pi) * mean, rel=1e-5)
