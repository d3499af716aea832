"""Quirks of released code, by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from harness.budget import Budget, allocate, make_target
from harness.calibration import CalibrationSet
from harness.composition import compose
from harness.errors import InfeasibleError, PartError, RunError
from harness.masks import masks_digest
from harness.model import Model, weights_digest
from harness.patch import apply_patch, write_patch
from harness.plugin import Group, LayerInfo, LayerJob, ScoreSession, Statistics
from harness.plugin.manager import Plugins
from harness.pruning import Fine, prune
from harness.scoring import ScoreSet, Table, score
from harness.spec import PrunerSpec
from harness.testing import ToySession
from harness_plugins.methods.ecoflap import CappedProportional
from harness_plugins.methods.given_scores import GivenScores
from harness_plugins.methods.official.aobd import FirstOrderAOBD
from harness_plugins.methods.official.capped_proportional import (
    CappedProportionalOfficial,
    released_sparsities,
)
from harness_plugins.methods.official.magnitude import MagnitudeOfficial
from harness_plugins.methods.official.matrix_group import WandaMatrixOfficial
from harness_plugins.methods.official.pooled_threshold import PooledThresholdOfficial
from harness_plugins.methods.official.signed_magnitude import SignedMagnitude
from harness_plugins.methods.official.sparsegpt import SparseGPTECoFLaP, SparseGPTOfficial
from harness_plugins.methods.official.zeroth_order import ZerothOrderOfficial
from tests.tiny import make_samples


def job(weight: list[list[float]], keep_count: int, tower: str = "t", **stats: object) -> LayerJob:
    tensor = torch.tensor(weight)
    info = LayerInfo(
        name="l", tower=tower, block=0, role="r", shape=tuple(tensor.shape), stream=tower
    )
    columns = tensor.shape[1]
    values = {"input_sq": torch.ones(columns), "gram": torch.eye(columns), **stats}
    return LayerJob(
        info=info,
        weight=tensor,
        keep_count=keep_count,
        pattern=None,
        stats=Statistics(layer="l", samples=1, tokens=1, values=values),
        scores=None,
        keep=None,
        rng=torch.Generator(),
    )


WEIGHT = [[1.0, -4.0, 3.0], [0.5, 2.0, -6.0]]


def test_magnitude_prunes_one_more_than_asked() -> None:
    """Three are to go; the score at index 3 is 3, and goes as well."""
    result = MagnitudeOfficial().prune(job(WEIGHT, 3))

    assert result.keep.tolist() == [[False, True, False], [False, False, True]]


def test_magnitude_prunes_one_where_none_is_asked() -> None:
    result = MagnitudeOfficial().prune(job(WEIGHT, 6))

    assert result.keep.tolist() == [[True, True, True], [False, True, True]]


def test_magnitude_prunes_all_that_ties() -> None:
    result = MagnitudeOfficial().prune(job([[1.0, 1.0, 1.0], [0.5, 2.0, 1.0]], 5))

    assert result.keep.tolist() == [[False, False, False], [False, True, False]]


def test_vision_compares_the_matrix() -> None:
    result = WandaMatrixOfficial().prune(job(WEIGHT, 3, "vision"))

    assert result.keep.tolist() == [[False, True, False], [False, False, True]]


def test_elsewhere_each_row_loses_the_whole_part_of_its_share() -> None:
    """Three of six are to go: one and a half of each row, so one."""
    result = WandaMatrixOfficial().prune(job(WEIGHT, 3))

    assert result.keep.tolist() == [[False, True, True], [False, True, True]]


def layer(name: str, shape: tuple[int, int], tower: str = "t", block: int = 0) -> LayerInfo:
    return LayerInfo(name=name, tower=tower, block=block, role="r", shape=shape, stream=tower)


A, B = layer("a", (1, 4)), layer("b", (1, 4), "u", block=1)
SCORES = {"a": torch.tensor([[9.0, 1.0, -8.0, 2.0]]), "b": torch.tensor([[2.0, 2.0, 1.0, -1.0]])}


@pytest.mark.parametrize(
    ("scope", "keep"),
    [
        ("joint", {"a": 1, "b": 0}),  # -8 -1 1 1 2 2 2 9: the fifth is 2, and all twos go
        ("model", {"a": 2, "b": 0}),  # -8 1 | 2 9 and -1 1 | 2 2, cut after the second
        ("layer", {"a": 2, "b": 0}),
    ],
)
def test_what_ties_with_the_threshold_goes(scope: str, keep: dict[str, int]) -> None:
    table = ScoreSet("weight", dict.fromkeys(SCORES, 1.0), SCORES).table([A, B], "layer")
    target = make_target([A, B], 0.75 if scope != "joint" else 0.625, None, None)

    budget = allocate(PooledThresholdOfficial(scope=scope), table, [A, B], target)

    assert budget.keep == keep | ({"a": 1} if scope != "joint" else {})


def test_signed_scores_reach_the_pruner(tiny_model: Callable[[str], Model]) -> None:
    """Half of all weights go, and they are the most negative."""
    model = tiny_model("vit")
    scores = score(model, SignedMagnitude(), None, 0, lambda *_: None)
    table = scores.table(model.layers, "layer")

    budget = allocate(
        PooledThresholdOfficial(), table, model.layers, make_target(model.layers, 0.5, None, None)
    )
    everything = torch.cat([weight.reshape(-1) for weight in scores.weights.values()])
    median = everything.sort().values[len(everything) // 2 - 1]

    for i in model.layers:
        given = job(model.weight(i).tolist(), budget.keep[i.name])
        object.__setattr__(given, "scores", scores.weights[i.name])
        assert torch.equal(GivenScores().prune(given).keep, scores.weights[i.name] > median)


def test_what_a_round_pruned_stays_pruned_below_negative_scores() -> None:
    given = job(WEIGHT, 2)
    object.__setattr__(given, "scores", torch.tensor(WEIGHT) - 10)
    object.__setattr__(given, "keep", torch.tensor([[True, False, False], [True, True, False]]))

    assert GivenScores().prune(given).keep.tolist() == [[True, False, False], [False, True, False]]


@pytest.mark.parametrize(
    ("scores", "sizes", "p", "p_max", "keep"),
    [
        ([1, 1, 1, 1], [100] * 4, 0.5, 0.6, [50, 50, 50, 50]),
        ([1, 2, 3, 4], [100] * 4, 0.5, 0.6, [44, 48, 52, 56]),
        ([1, 2, 3, 94], [100] * 4, 0.5, 0.6, [41, 41, 42, 80]),  # 2 too many become 4
        ([1, 2, 3, 94], [100] * 4, 0.5, 0.8, [28, 34, 40, 100]),  # 102 of 100
        ([1, 2, 3, 94], [1000] * 4, 0.5, 0.6, [404, 408, 412, 776]),
        ([5, 1, 1], [100, 300, 600], 0.5, 0.6, [100, 140, 260]),
        ([10, 3, 1], [100, 300, 600], 0.6, 0.7, [100, 112, 188]),
        ([1, 1, 1], [100, 300, 600], 0.5, 0.5, [50, 150, 300]),
    ],
)
def test_the_released_budget(
    scores: list[float], sizes: list[int], p: float, p_max: float, keep: list[int]
) -> None:
    sparsities = released_sparsities(scores, sizes, sparsity=p, p_max=p_max)

    assert [1 - s for s in sparsities] == pytest.approx(
        [k / n for k, n in zip(keep, sizes, strict=True)]
    )


def blocks(scores: list[float]) -> tuple[Table, list[LayerInfo]]:
    layers = [layer(str(i), (10, 10), block=i) for i in range(len(scores))]
    groups = [Group(name=i.group("block"), tower="t", layers=(i,)) for i in layers]
    return Table(groups, dict(zip((g.name for g in groups), scores, strict=True))), layers


def test_the_released_budget_gives_an_error_where_it_gave_nan() -> None:
    table, layers = blocks([0.0, 0.0])

    with pytest.raises(InfeasibleError, match="stops at 80 of 100 weights"):
        allocate(CappedProportionalOfficial(), table, layers, make_target(layers, 0.5, 0.6, None))


def test_the_released_budget_gives_an_error_where_only_full_groups_have_scores() -> None:
    table, layers = blocks([1.0, 0.0, 0.0])

    with pytest.raises(InfeasibleError, match="no group with a score above zero"):
        allocate(CappedProportionalOfficial(), table, layers, make_target(layers, 0.3, 0.9, None))


@pytest.mark.parametrize("allocator", [CappedProportional(), CappedProportionalOfficial()])
def test_budgets_refuse_negative_sums(
    allocator: CappedProportional | CappedProportionalOfficial,
) -> None:
    table, layers = blocks([1.0, -2.0])

    with pytest.raises(PartError, match="scores.*>= 0, one is -2"):
        allocate(allocator, table, layers, make_target(layers, 0.5, 0.6, None))


def test_only_an_allocator_that_says_so_may_miss_the_total() -> None:
    table, layers = blocks([1.0, 2.0, 3.0, 94.0])
    target = make_target(layers, 0.5, 0.6, None)

    class Claims(CappedProportionalOfficial):
        exact = True

    budget = allocate(CappedProportionalOfficial(), table, layers, target)

    assert budget.total >= target.keep + 4
    with pytest.raises(PartError, match="weights in all, the target is 200"):
        allocate(Claims(), table, layers, target)


def test_aobd_squares_the_weight_only() -> None:
    found = FirstOrderAOBD().of_batch(torch.tensor([-2.0, 3.0]), torch.tensor([0.5, -1.0]))

    assert found.tolist() == [2.0, 9.0]


def test_every_direction_uses_up_its_batch_again() -> None:
    """Four samples in batches of two: two draws, whether of two batches or twice of one."""
    seen: list[list[int]] = []

    class Watched(ToySession):
        def loss(self, batch: object) -> torch.Tensor:
            seen.append(batch["samples"].tolist())
            return super().loss(batch)

    session = Watched()
    dict(ZerothOrderOfficial(samples=4, batch_size=2).score(session))
    assert seen == [[0, 1], [0, 1], [2, 3], [2, 3]] * len(session.layers)

    seen.clear()
    dict(ZerothOrderOfficial(samples=4, batch_size=2, noises=2).score(session))
    assert seen == [[0, 1]] * 4 * len(session.layers)


def test_half_precision_hardly_gives_a_weight_back() -> None:
    """eps z is undone in steps of the weight's own precision: 2^-8 at 1, four times eps."""
    session = ToySession()
    first = session.layers[0]
    session._weights[first.name] = torch.ones(first.shape, dtype=torch.bfloat16)
    single = session.weight(session.layers[1]).clone()
    session.loss = lambda _: torch.zeros(())

    scores = dict(ZerothOrderOfficial(samples=1, batch_size=1).score(session))

    assert set(scores.values()) == {0.0}
    drift = (session.weight(first).float() - 1).abs()
    assert float(drift.max()) >= 2**-8
    moved = (session.weight(session.layers[1]) - single).abs()
    assert 0 < float(moved.max()) < 1e-6


class Drifts:
    """Leaves every weight a little larger."""

    name = "drifts"
    granularity = "layer"
    changes_weights = True

    def score(self, session: ScoreSession) -> Iterator[tuple[str, float]]:
        for i in session.layers:
            session.weight(i).mul_(1.5)
            yield i.name, 1.0


class Forgets(Drifts):
    changes_weights = False


def test_weights_may_drift_only_where_the_estimator_says_so(
    tiny_model: Callable[[str], Model],
) -> None:
    model = tiny_model("vit")
    before = model.weight(model.layers[0]).clone()

    score(model, Drifts(), None, 0, lambda *_: None)

    assert torch.equal(model.weight(model.layers[0]), before * 1.5)
    with pytest.raises(RunError, match="left the model's weights changed"):
        score(model, Forgets(), None, 0, lambda *_: None)


def test_the_cache_of_a_pruned_model_holds_drifted_weights(
    tiny_model: Callable[[str], Model], plugins: Plugins, tmp_path: Path
) -> None:
    model = tiny_model("vit")
    dense = [model.weight(i).clone() for i in model.layers]
    calibration = CalibrationSet("tiny", make_samples("vit", tmp_path))
    spec = PrunerSpec(recipe="ecoflap-official", settings={"score.samples": 2})
    composition = compose(spec, plugins)
    assert composition.estimator is not None

    score(model, composition.estimator, calibration, 0, lambda *_: None)
    fine = Fine(
        composition=composition,
        budget=Budget({i.name: i.numel // 2 for i in model.layers}),
        pattern=None,
        scores={},
        seed=0,
    )
    pruned = prune(model, fine, calibration, lambda *_: None)
    write_patch(tmp_path / "cache.safetensors", model, pruned)
    digest = weights_digest(model.loaded.module)
    for i, weight in zip(model.layers, dense, strict=True):
        model.weight(i).copy_(weight)

    class got:
        masks = masks_digest(pruned.masks)
        weights = digest

    assert apply_patch(tmp_path / "cache.safetensors", model, got)


def test_sparsegpt_removes_the_weights_of_a_dead_input_and_one_more() -> None:
    """Uncorrelated inputs, the third dead: of scores 1, 16, 0 and .25, 4, 0 one and a tie go."""
    gram = torch.diag(torch.tensor([1.0, 1.0, 0.0]))

    for pruner in (SparseGPTOfficial(), SparseGPTECoFLaP()):
        result = pruner.prune(job(WEIGHT, 5, gram=gram))
        assert result.keep.tolist() == [[True, True, False], [True, True, False]]
        assert result.weight is not None
        assert result.weight.tolist() == [[1.0, -4.0, 0.0], [0.5, 2.0, 0.0]]


def test_sparsegpt_as_released_damps_and_its_copy_does_not() -> None:
    """H = 2 [[2, 1], [1, 2]]: without damping the second weight takes over exactly a half."""
    gram = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    given = job([[1.0, 4.0]], 2, gram=gram)

    plain = SparseGPTECoFLaP().prune(given).weight
    damped = SparseGPTOfficial().prune(given).weight

    assert plain is not None
    assert damped is not None
    assert plain[0].tolist() == pytest.approx([0, 4.5])
    assert damped[0].tolist() == pytest.approx([0, 4 + 2 / 4.04])


def test_the_copy_damps_what_has_no_factor() -> None:
    """Two equal inputs: H = [[1, 1], [1, 1]] is singular until 0.01 is on its diagonal."""
    result = SparseGPTECoFLaP().prune(job([[1.0, 4.0]], 2, gram=torch.ones(2, 2) / 2))

    assert result.weight is not None
    assert result.weight[0].tolist() == pytest.approx([0, 4 + 1 / 1.01], rel=1e-5)
