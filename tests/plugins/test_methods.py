"""Every bundled part keeps its contract, and the methods do what their papers say by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.composition import compose
from harness.errors import InputError, PartError, UnknownNameError
from harness.model import Model
from harness.plugin import LayerInfo, LayerJob, Statistics
from harness.plugin.manager import Plugins, load_plugins
from harness.spec import PrunerSpec
from harness.testing import (
    check_budget_allocator,
    check_local_pruner,
    check_model_family,
    check_score_estimator,
)
from harness_plugins.methods.given_scores import GivenScores
from harness_plugins.methods.magnitude import Magnitude
from harness_plugins.methods.ria import RIA
from harness_plugins.methods.wanda import Wanda
from tests.plugins.tiny_families import TABLE
from tests.tiny import make_samples

INSTALLED = load_plugins()
#: What parts need to be told; a step of zero is legal at every sparsity.
NEEDED = {"depth-progression": {"beta": 0}, "depth-progression-official": {"beta": 0}}
RECIPES_NEED = {"atp": {"budget.beta": 0.01}, "atp-official": {"budget.beta": 0.01}}


def names(registry: str) -> list[str]:
    return sorted({provider.name for provider in getattr(INSTALLED, registry)})


@pytest.mark.parametrize("name", names("score_estimators"))
def test_estimators(plugins: Plugins, name: str) -> None:
    check_score_estimator(plugins.score_estimators.get(name).given())


@pytest.mark.parametrize("name", sorted({*names("budget_allocators")} - {"from-file"}))
def test_allocators(plugins: Plugins, name: str) -> None:
    part = plugins.budget_allocators.get(name).given
    check_budget_allocator(part(**NEEDED.get(name, {})))


@pytest.mark.parametrize("name", names("local_pruners"))
def test_local_pruners(plugins: Plugins, name: str) -> None:
    check_local_pruner(plugins.local_pruners.get(name).given())


@pytest.mark.parametrize("name", names("recipes"))
def test_recipes_compose(plugins: Plugins, name: str) -> None:
    spec = PrunerSpec(recipe=name, settings=RECIPES_NEED.get(name, {}))
    composition = compose(spec, plugins)

    assert composition.label.split()[0] == name
    assert composition.is_dense == (name == "dense")
    assert plugins.recipes.get(name).given.paper


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_families(tiny_model: Callable[[str], Model], kind: str, tmp_path: Path) -> None:
    model = tiny_model(kind)

    check_model_family(model.loaded, model.loaded.collate(make_samples(kind, tmp_path)))


def job(weight: list[list[float]], keep_count: int, input_sq: list[float]) -> LayerJob:
    tensor = torch.tensor(weight)
    info = LayerInfo(name="l", tower="t", block=0, role="r", shape=tuple(tensor.shape), stream="t")
    stats = Statistics(layer="l", samples=1, tokens=1, values={"input_sq": torch.tensor(input_sq)})
    return LayerJob(
        info=info,
        weight=tensor,
        keep_count=keep_count,
        pattern=None,
        stats=stats,
        scores=None,
        keep=None,
        rng=torch.Generator(),
    )


WEIGHT = [[1.0, -4.0, 3.0], [0.5, 2.0, -6.0]]


def test_magnitude_compares_the_layer() -> None:
    result = Magnitude().prune(job(WEIGHT, 3, [1, 1, 1]))

    assert result.keep.tolist() == [[False, True, True], [False, False, True]]


def test_wanda_multiplies_by_the_norm_of_the_inputs() -> None:
    """Norms 3, 1, 1: scores 3, 4, 3 and 1.5, 2, 6; two of each row stay."""
    result = Wanda().prune(job(WEIGHT, 4, [9, 1, 1]))

    assert result.keep.tolist() == [[False, True, True], [False, True, True]]


def test_a_large_enough_input_saves_a_small_weight() -> None:
    """Norms 9, 1, 1: scores 9, 4, 3 and 4.5, 2, 6."""
    result = Wanda().prune(job(WEIGHT, 2, [81, 1, 1]))

    assert result.keep.tolist() == [[True, False, False], [False, False, True]]


def test_ria_by_hand() -> None:
    """|W| of columns sum to 1.5, 6, 9, of rows to 8 and 8.5. With a = 0 row 1 scores
    1/1.5 + 1/8, 4/6 + 4/8, 3/9 + 3/8 and row 2 0.5/1.5 + 0.5/8.5, 2/6 + 2/8.5, 6/9 + 6/8.5:
    0.79, 1.17, 0.71 and 0.39, 0.57, 1.37. With a = 1 and norms 2, 1, 1 the first column doubles.
    """
    plain = RIA(exponent=0).prune(job(WEIGHT, 3, [4, 1, 1]))
    normed = RIA(exponent=1).prune(job(WEIGHT, 4, [4, 1, 1]))

    assert plain.keep.tolist() == [[True, True, False], [False, False, True]]
    assert normed.keep.tolist() == [[True, True, False], [True, False, True]]


def test_scores_need_an_estimator() -> None:
    with pytest.raises(PartError, match="needs an estimator that scores every weight"):
        GivenScores().prune(job(WEIGHT, 2, [1, 1, 1]))


def test_an_undeclared_statistic_is_named() -> None:
    stats = Statistics(layer="l", samples=1, tokens=1, values={})

    with pytest.raises(PartError, match="'gram' was read but not declared"):
        _ = stats.gram


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"recipe": "wnda"}, UnknownNameError, "did you mean wanda"),
        ({"local": ("wanda", "dsnt")}, UnknownNameError, "unknown local pruner 'dsnt'"),
        (
            {"recipe": "wanda", "settings": {"local.compar": "row"}},
            UnknownNameError,
            "local.compare",
        ),
        (
            {"recipe": "wanda", "settings": {"local.compare": "x"}},
            InputError,
            "wanda: compare.*'x'",
        ),
        ({"recipe": "ecoflap", "settings": {"score.samples": 0}}, InputError, "above 0 is needed"),
        ({"local": ("obs",)}, InputError, "local=obs refines a mask; chain it: local=wanda"),
    ],
)
def test_bad_compositions(
    plugins: Plugins, spec: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        compose(PrunerSpec.model_validate(spec), plugins)


def test_settings_reach_the_parts_and_their_identity(plugins: Plugins) -> None:
    spec = PrunerSpec(
        recipe="ecoflap", settings={"score.eps": 0.01, "budget.aggregate": "mean"}, p_max=0.8
    )

    composition = compose(spec, plugins)

    options = {part.kind: part.options for part in composition.parts}
    assert options["score"]["eps"] == 0.01
    assert options["budget"] == {"granularity": "block", "aggregate": "mean", "scope": "joint"}
    assert composition.cap(0.5) == 0.8
    assert compose(PrunerSpec(recipe="ecoflap"), plugins).cap(0.5) == pytest.approx(0.6)
    assert compose(PrunerSpec(recipe="ecoflap"), plugins).cap(0.95) == 1.0


def test_a_family_can_have_settings_of_its_own(plugins: Plugins) -> None:
    def options(family: str | None, **changes: object) -> dict[str, object]:
        spec = PrunerSpec.model_validate({"recipe": "ecoflap-first", **changes})
        parts = compose(spec, plugins, family).parts
        return {f"{part.kind}.{name}": v for part in parts for name, v in part.options.items()}

    assert options(None)["score.kind"] == options("blip2")["score.kind"] == "product"
    assert options("causal-lm")["score.kind"] == "gradient"
    assert options("t5")["budget.aggregate"] == "mean"
    asked = {"score.kind": "square"}
    assert options("causal-lm", settings=asked)["score.kind"] == "square"
    assert "score.kind" not in options("causal-lm", score="zeroth-order")


def test_what_depends_on_the_seed(plugins: Plugins) -> None:
    seeded = {
        name: compose(PrunerSpec(recipe=name), plugins).is_seeded
        for name in ("dense", "magnitude", "random", "wanda", "ecoflap")
    }

    assert seeded == {
        "dense": False,
        "magnitude": False,
        "random": True,
        "wanda": True,
        "ecoflap": True,
    }
