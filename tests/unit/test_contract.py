"""What parts give is held to what they were asked; the message says what was seen and is right."""

from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from harness.contract import (
    blamed,
    check_budget,
    check_drawn,
    check_edition,
    check_loaded,
    check_outputs,
    check_pattern,
    check_pool,
    check_scores,
    check_units,
    check_verdict,
)
from harness.errors import InputError, PartError
from harness.plugin import (
    AllocatorTags,
    LayerJob,
    LayerResult,
    Metric,
    Pattern,
    Sample,
    SamplePool,
    Scores,
    Target,
    keep_largest,
)
from harness.pruning import run_chain
from harness.testing import ToySession, check_local_pruner, statistics_of, toy_layers

LAYER = toy_layers()[0]  # 12 x 8


def job(keep_count: int = 48, pattern: Pattern | None = None) -> LayerJob:
    generator = torch.Generator().manual_seed(0)
    return LayerJob(
        info=LAYER,
        weight=torch.randn(LAYER.shape, generator=generator),
        keep_count=keep_count,
        pattern=pattern,
        stats=statistics_of(LAYER, torch.randn(2, 4, 8, generator=generator), {"input_sq"}),
        scores=torch.rand(LAYER.shape, generator=generator),
        keep=None,
        rng=generator,
    )


def half(job: LayerJob) -> torch.Tensor:
    return keep_largest(job.weight.abs(), job.keep_count, compare="row", pattern=job.pattern)


def pruner(prune: Any, **tags: Any) -> Any:
    given = {"name": "mine", "statistics": frozenset(), **tags}
    return type("Mine", (), {**given, "prune": lambda _, job: prune(job)})()


def gives(**result: Any) -> Any:
    return lambda job: LayerResult(**{"keep": half(job), **result})


def spoils(name: str) -> Any:
    def prune(job: LayerJob) -> LayerResult:
        keep = half(job)
        found = job.stats.values["input_sq"] if name == "stats" else getattr(job, name)
        found.zero_()
        return LayerResult(keep=keep)

    return prune


WEIGHT = torch.ones(LAYER.shape)


@pytest.mark.parametrize(
    ("prune", "tags", "message"),
    [
        (lambda _: None, {}, "returned None; a LayerResult is right"),
        (half, {}, r"returned a torch\.bool tensor \(12, 8\); a LayerResult is right"),
        (lambda job: (half(job), None), {}, "returned a tuple; a LayerResult is right"),
        (
            lambda job: LayerResult(keep=half(job).numpy()),
            {},
            r"keep is a numpy\.ndarray; a torch\.bool tensor \(12, 8\) is right",
        ),
        (gives(keep=WEIGHT), {}, r"keep is a torch\.float32 tensor \(12, 8\); a torch\.bool "),
        (gives(keep=WEIGHT.bool().t()), {}, r"keep is a torch\.bool tensor \(8, 12\); "),
        (gives(keep=WEIGHT.bool()), {}, "kept 96 weights, 48 are asked for"),
        (gives(weight=WEIGHT), {}, "gives new weights and does not say so; write changes_weights"),
        (
            gives(weight=WEIGHT.numpy()),
            {"changes_weights": True},
            r"weight is a numpy\.ndarray; a torch\.float32 tensor \(12, 8\) is right",
        ),
        (gives(weight=WEIGHT[:3]), {"changes_weights": True}, r"weight is a \S+ tensor \(3, 8\); "),
        (gives(weight=WEIGHT.half()), {"changes_weights": True}, r"weight is a torch\.float16 "),
        (
            gives(weight=WEIGHT / 0),
            {"changes_weights": True},
            "48 of the weights that stay are NaN or infinite",
        ),
        (gives(notes={"damping": WEIGHT}), {}, "note 'damping' is a torch.float32 tensor"),
        (spoils("weight"), {}, r"changed job\.weight in place; work on a copy"),
        (spoils("scores"), {}, r"changed job\.scores in place"),
        (spoils("stats"), {"statistics": {"input_sq"}}, r"changed job\.stats in place"),
        (lambda _: 1 / 0, {}, "raised ZeroDivisionError: division by zero"),
        (
            lambda job: LayerResult(keep=keep_largest(job.weight / 0, 5, compare="row")),
            {},
            "96 scores are NaN or infinite",
        ),
    ],
)
def test_a_pruner_is_held_to_its_tags_and_its_job(
    prune: Any, tags: dict[str, Any], message: str
) -> None:
    with pytest.raises(PartError, match=rf"^a title of mine on a\.0\.0: {message}"):
        run_chain((pruner(prune, **tags),), job(), "a title of {}".format)
    if "raised" not in message:
        with pytest.raises((AssertionError, PartError)):
            check_local_pruner(pruner(prune, **tags))


def test_what_is_declared_is_taken() -> None:
    prune = gives(weight=WEIGHT * 2, keep=WEIGHT.bool(), notes={"damping": np.float32(0.5)})

    result = run_chain((pruner(prune, changes_weights=True, exact=False),), job())

    assert result.weight is not None
    assert torch.equal(result.weight, WEIGHT * 2)
    assert result.notes == {"damping": 0.5}


def test_weights_that_go_may_be_no_numbers() -> None:
    """They are masked; only what stays counts."""
    prune = gives(weight=torch.where(half(job()), WEIGHT, torch.nan))

    assert run_chain((pruner(prune, changes_weights=True),), job()).weight is not None


def test_the_one_of_a_chain_that_is_wrong_is_blamed() -> None:
    right, wrong = pruner(gives()), pruner(lambda _: None)
    wrong.name = "wrong"

    with pytest.raises(PartError, match=r"^wrong on a\.0\.0: returned None"):
        run_chain((right, wrong), job())


def test_dense_weights_that_are_no_numbers_are_not_the_pruners_fault() -> None:
    broken = job()
    broken.weight[0, 0] = torch.nan

    chain = (pruner(lambda _: LayerResult(keep=half(job()))),)
    assert run_chain(chain, broken).weight is None


def test_a_forgotten_pattern_is_counted_group_by_group() -> None:
    """Rows of eight: 0-3 keeps three and 4-7 one, in all twelve rows."""
    keep = torch.tensor([[1, 1, 1, 0, 1, 0, 0, 0]]).bool().expand(12, 8).clone()
    asked = job(48, Pattern(2, 4))

    for exact in (True, False):
        with pytest.raises(
            PartError,
            match=r"^mine on a\.0\.0: 12 of 24 groups of 4 consecutive inputs keep more than 2 "
            r"weights; 2:4 is asked for$",
        ):
            run_chain((pruner(gives(keep=keep), exact=exact),), asked)
    run_chain((pruner(gives()),), asked)


def test_fewer_than_n_are_no_breach() -> None:
    check_pattern(torch.tensor([[1, 0, 0, 0, 1, 1, 0, 0]]).bool(), Pattern(2, 4))
    with pytest.raises(PartError, match="1 of 1 groups of 8"):
        check_pattern(torch.tensor([[1, 1, 1, 1, 1, 0, 0, 0]]).bool(), Pattern(4, 8))
    with pytest.raises(PartError, match="6 inputs are no multiple of 4; 2:4 does not fit"):
        check_pattern(torch.zeros(1, 6).bool(), Pattern(2, 4))


LAYERS = toy_layers()
NUMEL = sum(layer.numel for layer in LAYERS)
EVEN = {layer.name: layer.numel // 2 for layer in LAYERS}
TARGET = Target(sparsity=0.5, numel=NUMEL, keep=NUMEL // 2, min_keep=dict.fromkeys(EVEN, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a.0.0": 48.0}, r"gives a\.0\.0 48\.0 weights; an integer in \[4, 96\] is right"),
        ({"a.0.0": True}, r"gives a\.0\.0 True weights; an integer"),
        ({"a.0.0": Fraction(48)}, r"gives a\.0\.0 48 weights|gives a\.0\.0 Fraction"),
        ({"a.0.0": torch.tensor(48)}, r"gives a\.0\.0 a torch\.int64 tensor \(\) weights"),
        ({"a.0.0": "48"}, r"gives a\.0\.0 a str weights"),
        ({"a.0.0": None}, r"gives a\.0\.0 None weights"),
        ({"a.0.0": -1}, r"gives a\.0\.0 -1 weights; an integer in \[4, 96\]"),
        ({"a.0.0": 3}, r"gives a\.0\.0 3 weights; an integer in \[4, 96\]"),
        ({"a.0.0": 97}, r"gives a\.0\.0 97 weights"),
        ({"a.0.0": float("nan")}, r"gives a\.0\.0 nan weights"),
        ({"a.0.0": 49}, f"keeps {NUMEL // 2 + 1} weights in all, the target is {NUMEL // 2}"),
        ({"c.9": 4}, r"gives weights to 'c\.9', which is no layer"),
    ],
)
def test_a_budget_is_held_to_the_target(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PartError, match=f"^{message}"):
        check_budget(EVEN | change, LAYERS, TARGET, AllocatorTags())


def test_numpys_integers_are_integers() -> None:
    given = {name: np.int64(count) for name, count in EVEN.items()}

    assert check_budget(given, LAYERS, TARGET, AllocatorTags()) == EVEN


def test_an_inexact_budget_may_miss_total_and_minimum() -> None:
    assert check_budget(EVEN | {"a.0.0": 0}, LAYERS, TARGET, AllocatorTags(exact=False))
    with pytest.raises(PartError, match="gave a list; layer -> keep count is right"):
        check_budget([1, 2], LAYERS, TARGET, AllocatorTags(exact=False))


def estimator(granularity: str, scores: Any) -> Any:
    given = {"name": "mine", "granularity": granularity}
    return type("Mine", (), {**given, "score": lambda _, session: scores(session)})()


def per_layer(**changes: Any) -> Any:
    def score(session: ToySession) -> Iterator[tuple[str, Any]]:
        for layer in session.layers:
            yield layer.name, changes.get(layer.name.replace(".", "_"), 1.0)

    return score


@pytest.mark.parametrize(
    ("granularity", "scores", "message"),
    [
        ("layer", per_layer(a_0_0=-1.0), r"scored a\.0\.0 -1\.0; a finite number >= 0"),
        ("layer", per_layer(a_0_0=float("inf")), r"scored a\.0\.0 inf"),
        ("layer", per_layer(a_0_0=float("nan")), r"scored a\.0\.0 nan"),
        ("layer", per_layer(a_0_0=[1]), r"scored a\.0\.0 with a list; a number per layer"),
        ("layer", per_layer(a_0_0=torch.ones(2)), r"scored a\.0\.0 with a \S+ tensor \(2,\); "),
        ("layer", lambda s: [*per_layer()(s)] * 2, r"scored a\.0\.0 twice; once is right"),
        ("layer", lambda _: [("a.0.9", 1.0)], r"scored 'a\.0\.9', which is no layer; did you "),
        ("layer", lambda _: [("a.0.0", 1.0)], r"left out 4 of 5 scores, first a\.0\.1; one per"),
        ("layer", lambda _: None, r"score\(\) gave None; it has to yield \(name, score\)"),
        ("layer", lambda s: dict(per_layer()(s)), r"score\(\) gave a dict; it has to yield"),
        ("layer", lambda _: ["a.0.0"], r"yielded a str; \(name, score\) is right"),
        ("block", per_layer(), r"scored 'a\.0\.0', which is no block"),
        ("weight", per_layer(), r"scored a\.0\.0 with a float; a score per weight, \(12, 8\)"),
        (
            "weight",
            per_layer(a_0_0=np.ones((12, 8))),
            r"scored a\.0\.0 with a numpy\.ndarray; a score per weight, \(12, 8\), is right",
        ),
        ("weight", per_layer(a_0_0=torch.ones(8, 12)), r"scored a\.0\.0 with a \S+ tensor \(8, "),
        (
            "weight",
            per_layer(a_0_0=torch.ones(12, 8) / 0),
            r"scored a\.0\.0 with 96 NaN or infinite numbers",
        ),
    ],
)
def test_scores_are_complete_and_numbers(granularity: str, scores: Any, message: str) -> None:
    with pytest.raises(PartError, match=f"^{message}"):
        list(check_scores(estimator(granularity, scores), ToySession()))


GROUPS: Any = [SimpleNamespace(name="mlp", units=4)]


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ([1, 2], "gave a list; unit group -> bool"),
        ({}, "left out or made up 1 unit groups, first mlp"),
        ({"mlp": [True] * 4}, r"units of mlp are a list; a torch\.bool tensor \(4,\) is right"),
        ({"mlp": np.ones(4, dtype=bool)}, r"units of mlp are a numpy\.ndarray; "),
        ({"mlp": torch.ones(4)}, r"units of mlp are a torch\.float32 tensor \(4,\); "),
        ({"mlp": torch.ones(3).bool()}, r"units of mlp are a torch\.bool tensor \(3,\); "),
        ({"mlp": torch.zeros(4).bool()}, "of mlp no unit stays, one has to"),
    ],
)
def test_units_are_a_mask_per_group(units: Any, message: str) -> None:
    with pytest.raises(PartError, match=f"^{message}"):
        check_units(units, GROUPS)


RIGHT = Metric(name="accuracy", is_correctness=True)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, 0.0], r"score\(\) gave a list; Scores are right"),
        (Scores(per_sample=[1.0]), "gave 1 scores for 2 items; one each is right"),
        (Scores(per_sample=None), "gave None as scores; a list of numbers"),  # type: ignore[arg-type]
        (Scores(per_sample=["1", "0"]), "the score of item 0 is a str; a number"),  # type: ignore[list-item]
        (Scores(per_sample=[1.0, 100.0]), r"the score of item 1 is 100\.0; correctness is in"),
        (Scores(per_sample=[1, 0], weights=[1.0]), "gave 1 weights for 2 items"),
        (
            Scores(per_sample=[1, 0], absent={"accuracy": "?"}),
            "gave 2 scores although accuracy is a",
        ),
        (Scores(per_sample=[1, 0], weights=[1.0, -1.0]), r"the weight of item 1 is -1\.0; "),
    ],
)
def test_a_verdict_is_a_number_an_item(scores: Any, message: str) -> None:
    with pytest.raises(PartError, match=f"^{message}"):
        check_verdict(scores, 2, RIGHT)


def test_an_undefined_score_has_no_number_an_item() -> None:
    check_verdict(Scores(per_sample=(), absent={"accuracy": "one image"}), 2, RIGHT)


def test_a_mean_loss_may_be_infinite_and_above_one() -> None:
    loss = Metric(name="perplexity", higher_is_better=False, transform="exp")

    check_verdict(Scores(per_sample=[float("inf"), 9.0], weights=[1, 2]), 2, loss)


def test_outputs_are_one_an_item() -> None:
    for outputs in ("ab", {0: "a", 1: "b"}, None, (x for x in "ab")):
        with pytest.raises(PartError, match="a list of one output per item is right"):
            check_outputs(outputs, 2)
    with pytest.raises(PartError, match="gave 1 outputs for 2 items"):
        check_outputs(["a"], 2)


def test_what_is_loaded_is_what_the_protocols_say() -> None:
    with pytest.raises(PartError, match=r"load\(\) gave a tuple, which has no collate, files, "):
        check_loaded((1, 2))
    with pytest.raises(PartError, match=r"provide\(\) gave a str; an EditionInfo or None"):
        check_edition("folder")
    with pytest.raises(PartError, match=r"samples\(\) gave None; a list of Sample is right"):
        check_pool(None)
    with pytest.raises(PartError, match="sample 1 is a dict; a Sample is right"):
        check_pool([Sample(id="a"), {"id": "b"}])
    pool = SamplePool(2, str, lambda i: "text")  # type: ignore[arg-type,return-value]
    with pytest.raises(PartError, match="a pool made a str; a Sample or None is right"):
        list(check_drawn(check_pool(pool).draw([0, 1])))


def test_errors_on_purpose_keep_their_kind() -> None:
    with pytest.raises(InputError, match="^too small$"), blamed("mine"):
        raise InputError("too small")
    with pytest.raises(PartError, match="^mine: raised KeyError: 'x'") as caught, blamed("mine"):
        raise KeyError("x")
    assert isinstance(caught.value.__cause__, KeyError)


def test_the_job_a_pruner_gets_is_a_copy() -> None:
    """So that what a careless one did harms nobody before it is seen."""
    asked = job()
    before = asked.weight.clone()

    with pytest.raises(PartError):
        run_chain((pruner(spoils("weight")),), asked)

    assert torch.equal(asked.weight, before)
