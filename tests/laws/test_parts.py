"""Laws that hold for every allocator and every local pruner, whatever the model looks like."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.budget import allocate, make_target
from harness.errors import InfeasibleError
from harness.permutation import in_places
from harness.plugin import (
    BudgetAllocator,
    LayerInfo,
    LayerJob,
    LocalPruner,
    Pattern,
    PrunerTags,
    Statistic,
    keep_largest,
)
from harness.plugin.manager import load_plugins
from harness.pruning import run_chain
from harness.scoring import ScoreSet, Table
from harness.testing import statistics_of
from harness_plugins.methods.atp import DepthProgression
from harness_plugins.methods.dsnot import DSnoT
from harness_plugins.methods.ecoflap import CappedProportional
from harness_plugins.methods.from_file import FromFile
from harness_plugins.methods.given_scores import GivenScores
from harness_plugins.methods.global_pruning import PooledThreshold
from harness_plugins.methods.magnitude import Magnitude
from harness_plugins.methods.ria import RIA
from harness_plugins.methods.sparsegpt import OBS, SparseGPT
from harness_plugins.methods.wanda import Wanda

MANY = settings(max_examples=40, deadline=None, derandomize=True)
FEW = settings(MANY, max_examples=10)

INSTALLED = load_plugins()
SEEDS = st.integers(0, 2**31 - 1)
SPARSITIES = st.floats(0, 0.99)
DTYPES = st.sampled_from([torch.float32, torch.bfloat16, torch.float16])
SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 13)), min_size=1, max_size=7)
COMPARISONS = ("row", "layer", "columns")
PATTERNS = (Pattern(2, 4), Pattern(1, 4), Pattern(3, 8))


def model_of(shapes: list[tuple[int, int]]) -> list[LayerInfo]:
    """Layers two to a block, the later half of the blocks in a second tower."""
    layers = []
    for index, shape in enumerate(shapes):
        tower, first = ("a", 0) if index < 4 else ("b", 4)
        layers.append(
            LayerInfo(
                name=f"{tower}.l{index}",
                tower=tower,
                block=(index - first) // 2,
                role=str(index),
                shape=shape,
                stream=tower,
            )
        )
    return layers


def scored(seed: int, layers: list[LayerInfo], dtype: torch.dtype, scale: float = 1) -> ScoreSet:
    """Scores per weight that differ between layers; with ties in half precision."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in layers:
        size = float(torch.rand((), generator=generator)) * 10 + 0.01
        drawn = size * (torch.rand(layer.shape, generator=generator) + 0.01)
        weights[layer.name] = drawn.to(dtype).float() * scale
    return ScoreSet(
        "weight", {name: float(w.double().sum()) for name, w in weights.items()}, weights
    )


def variants() -> list[BudgetAllocator]:
    """Every exact allocator installed with the package, in all its forms."""
    given: list[BudgetAllocator] = [
        CappedProportional(granularity=granularity, aggregate=aggregate, scope=scope)
        for granularity in ("layer", "block", "tower")
        for aggregate in ("sum", "mean")
        for scope in ("joint", "tower")
    ]
    given += [PooledThreshold("joint"), PooledThreshold("tower")]
    given += [DepthProgression(beta=beta) for beta in (-0.3, 0.0, 0.01)]
    known = {allocator.name for allocator in given} | {"from-file"}
    own = [p for p in INSTALLED.budget_allocators if p.origin.distribution == "pruning-harness"]
    return given + [
        p.given() for p in own if p.name not in known and getattr(p.given, "exact", True)
    ]


def refuses(allocator: BudgetAllocator, layers: list[LayerInfo], sparsity: float) -> bool:
    """Whether the allocator's step takes a block of these layers out of [0, 1]."""
    step = abs(allocator.beta) if isinstance(allocator, DepthProgression) else 0.0
    return step * max(i.block for i in layers) > 2 * min(sparsity, 1 - sparsity)


def title(part: object) -> str:
    return repr(part).partition(" object")[0]


def budget_of(
    allocator: BudgetAllocator, scores: ScoreSet, layers: list[LayerInfo], target: Any
) -> dict[str, int]:
    table: Table = scores.table(layers, getattr(allocator, "granularity", "block"))
    return dict(allocate(allocator, table, layers, target).keep)


@pytest.mark.parametrize("allocator", variants(), ids=title)
@MANY
@given(SEEDS, SIZES, DTYPES, SPARSITIES, st.none() | st.floats(0, 0.5))
def test_budgets_are_exact_and_within_their_bounds(
    allocator: BudgetAllocator,
    seed: int,
    shapes: list[tuple[int, int]],
    dtype: torch.dtype,
    sparsity: float,
    headroom: float | None,
) -> None:
    layers = model_of(shapes)
    try:
        cap = None if headroom is None else min(1.0, sparsity + headroom)
        target = make_target(layers, sparsity, cap, None)
    except InfeasibleError:
        return  # tiny layers can make a tight cap infeasible by rounding up
    if refuses(allocator, layers, sparsity):
        with pytest.raises(InfeasibleError, match="the largest legal beta"):
            budget_of(allocator, scored(seed, layers, dtype), layers, target)
        return

    keep = budget_of(allocator, scored(seed, layers, dtype), layers, target)

    assert sum(keep.values()) == target.keep
    assert all(target.min_keep[i.name] <= keep[i.name] <= i.numel for i in layers)


@MANY
@given(SEEDS, SIZES, SPARSITIES)
def test_budgets_of_a_file_are_exact(
    seed: int, shapes: list[tuple[int, int]], sparsity: float
) -> None:
    layers = model_of(shapes)
    target = make_target(layers, sparsity, None, None)
    generator = torch.Generator().manual_seed(seed)
    drawn = {i.name: float(torch.rand((), generator=generator)) for i in layers}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "budget.yaml"
        path.write_text(yaml.safe_dump(drawn))
        keep = dict(FromFile(str(path)).allocate(None, layers, target))
        path.write_text(yaml.safe_dump(keep))
        assert FromFile(str(path)).allocate(None, layers, target) == keep

    assert sum(keep.values()) == target.keep


@pytest.mark.parametrize("allocator", variants(), ids=title)
@MANY
@given(SEEDS, SIZES, st.integers(-30, 30), SPARSITIES)
def test_the_scale_of_the_scores_changes_no_budget(
    allocator: BudgetAllocator,
    seed: int,
    shapes: list[tuple[int, int]],
    power: int,
    sparsity: float,
) -> None:
    layers = model_of(shapes)
    target = make_target(layers, sparsity, None, None)
    if refuses(allocator, layers, sparsity):
        return

    one, other = (
        budget_of(allocator, scored(seed, layers, torch.float32, scale), layers, target)
        for scale in (1.0, 2.0**power)
    )

    assert one == other


def job_of(
    seed: int,
    shape: tuple[int, int],
    keep_count: int,
    pattern: Pattern | None = None,
    dtype: torch.dtype = torch.float32,
) -> LayerJob:
    """A layer with correlated inputs, scores, and every statistic."""
    generator = torch.Generator().manual_seed(seed)
    columns = shape[1]
    mixing = torch.randn(columns, columns, generator=generator)
    inputs = torch.randn(3, 12, columns, generator=generator) @ mixing + 0.1
    info = LayerInfo(name="l", tower="t", block=0, role="r", shape=shape, stream="t")
    return LayerJob(
        info=info,
        weight=torch.randn(shape, generator=generator).to(dtype).float(),
        keep_count=keep_count,
        pattern=pattern,
        stats=statistics_of(info, inputs, set(get_args(Statistic))),
        scores=torch.rand(shape, generator=generator),
        keep=None,
        rng=torch.Generator().manual_seed(seed),
    )


@pytest.mark.parametrize("allocator", variants(), ids=title)
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@FEW
@given(SEEDS, st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=6))
def test_a_pattern_fixes_every_budget(
    allocator: BudgetAllocator, pattern: Pattern, seed: int, shapes: list[tuple[int, int]]
) -> None:
    layers = model_of([(rows, groups * pattern.of) for rows, groups in shapes])
    target = make_target(layers, 1 - pattern.keep / pattern.of, None, pattern)

    keep = budget_of(allocator, scored(seed, layers, torch.float32), layers, target)

    assert target.keep * pattern.of == sum(i.numel for i in layers) * pattern.keep
    assert all(keep[i.name] * pattern.of == i.numel * pattern.keep for i in layers)


def chains() -> list[tuple[LocalPruner, ...]]:
    """Every local pruner installed with the package; those that refine come after Wanda."""
    own = [p for p in INSTALLED.local_pruners if p.origin.distribution == "pruning-harness"]
    parts = [p.given() for p in own]
    compared = [
        kind(compare=c) for kind in (Magnitude, Wanda, RIA, GivenScores) for c in COMPARISONS
    ]
    return [
        (Wanda(), part) if getattr(part, "refines", False) else (part,)
        for part in [*parts, *compared]
    ]


def named(chain: tuple[LocalPruner, ...]) -> str:
    return "+".join(title(part) for part in chain)


@pytest.mark.parametrize("chain", chains(), ids=named)
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@FEW
@given(SEEDS, st.integers(1, 5), st.integers(1, 5))
def test_pruners_keep_the_patterns_count_in_every_group(
    chain: tuple[LocalPruner, ...], pattern: Pattern, seed: int, rows: int, groups: int
) -> None:
    count = rows * groups * pattern.keep

    result = run_chain(chain, job_of(seed, (rows, groups * pattern.of), count, pattern))

    in_groups = in_places(result.keep, result.permutation).reshape(-1, pattern.of).sum(dim=1)
    least = pattern.keep if PrunerTags.of(chain[-1]).exact else 0
    assert bool(((in_groups <= pattern.keep) & (in_groups >= least)).all())


@pytest.mark.parametrize("chain", [c for c in chains() if getattr(c[-1], "exact", True)], ids=named)
@MANY
@given(SEEDS, st.tuples(st.integers(1, 7), st.integers(1, 19)), st.floats(0, 1), DTYPES)
def test_pruners_keep_their_count(
    chain: tuple[LocalPruner, ...],
    seed: int,
    shape: tuple[int, int],
    share: float,
    dtype: torch.dtype,
) -> None:
    count = int(share * shape[0] * shape[1])

    result = run_chain(chain, job_of(seed, shape, count, dtype=dtype))

    assert int(result.keep.sum()) == count
    if result.weight is not None:
        assert bool((result.weight[~result.keep] == 0).all())


def pruned_again(
    prune: Callable[[LayerJob], Any], job: LayerJob
) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of the layer and of what came out of it, given as the mask of a round before."""
    once = prune(job)
    weight = (job.weight if once.weight is None else once.weight) * once.keep
    return once.keep, prune(dataclasses.replace(job, weight=weight, keep=once.keep)).keep


@pytest.mark.parametrize("kind", [Magnitude, Wanda, RIA, GivenScores])
@pytest.mark.parametrize("compare", COMPARISONS)
@MANY
@given(SEEDS, st.tuples(st.integers(1, 7), st.integers(1, 19)), st.floats(0, 1), DTYPES)
def test_pruning_again_to_the_same_budget_changes_nothing(
    kind: Any,
    compare: str,
    seed: int,
    shape: tuple[int, int],
    share: float,
    dtype: torch.dtype,
) -> None:
    job = job_of(seed, shape, int(share * shape[0] * shape[1]), dtype=dtype)

    once, again = pruned_again(kind(compare=compare).prune, job)

    assert torch.equal(once, again)


@MANY
@given(SEEDS, st.tuples(st.integers(1, 6), st.integers(2, 19)), st.floats(0, 1))
def test_the_update_for_sparsegpts_own_mask_changes_nothing_more(
    seed: int, shape: tuple[int, int], share: float
) -> None:
    job = job_of(seed, shape, int(share * shape[0] * shape[1]))
    once = SparseGPT().prune(job)
    assert once.weight is not None

    again = OBS().prune(dataclasses.replace(job, weight=once.weight, keep=once.keep))

    assert torch.equal(again.keep, once.keep)
    torch.testing.assert_close(again.weight, once.weight)


@MANY
@given(SEEDS, st.tuples(st.integers(1, 7), st.integers(1, 19)), st.floats(0, 1))
def test_dsnot_on_its_own_mask_keeps_every_rows_count(
    seed: int, shape: tuple[int, int], share: float
) -> None:
    job = job_of(seed, shape, int(share * shape[0] * shape[1]))
    job = dataclasses.replace(job, keep=Wanda().prune(job).keep)

    once, again = pruned_again(DSnoT().prune, job)

    assert torch.equal(once.sum(dim=1), again.sum(dim=1))


@pytest.mark.parametrize("kind", [Magnitude, Wanda, GivenScores])
@pytest.mark.parametrize("compare", ["row", "layer"])
@MANY
@given(SEEDS, st.tuples(st.integers(1, 7), st.integers(1, 19)), st.floats(0, 1))
def test_permuting_the_inputs_permutes_the_mask(
    kind: Any, compare: str, seed: int, shape: tuple[int, int], share: float
) -> None:
    """RIA is left out: its sums over a row round otherwise in another order."""
    job = job_of(seed, shape, int(share * shape[0] * shape[1]))
    order = torch.randperm(shape[1], generator=torch.Generator().manual_seed(seed))
    assert job.scores is not None
    values = {"input_sq": job.stats.input_sq[order]}
    moved = dataclasses.replace(
        job,
        weight=job.weight[:, order],
        scores=job.scores[:, order],
        stats=dataclasses.replace(job.stats, values=values),
    )
    pruner = kind(compare=compare)

    assert torch.equal(pruner.prune(job).keep[:, order], pruner.prune(moved).keep)


@MANY
@given(SEEDS, SIZES, SPARSITIES)
def test_global_pruning_is_a_pooled_threshold_and_top_k(
    seed: int, shapes: list[tuple[int, int]], sparsity: float
) -> None:
    layers = model_of(shapes)
    numel = sum(i.numel for i in layers)
    order = torch.randperm(numel, generator=torch.Generator().manual_seed(seed)).float() + 1
    pieces = order.split([i.numel for i in layers])
    weights = {i.name: p.reshape(i.shape) for i, p in zip(layers, pieces, strict=True)}
    totals = {name: float(w.sum()) for name, w in weights.items()}
    target = make_target(layers, sparsity, None, None)

    keep = budget_of(PooledThreshold(), ScoreSet("weight", totals, weights), layers, target)

    for i in layers:
        mask = keep_largest(weights[i.name], keep[i.name], compare="layer")
        assert torch.equal(mask, weights[i.name] > numel - target.keep)
