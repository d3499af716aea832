"""Checks that authors run on their own parts; each raises `AssertionError` saying what is wrong.

from harness.testing import check_local_pruner
def test_it() -> None:
    check_local_pruner(MyPruner())
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.contract import (
    check_budget,
    check_outputs,
    check_scores,
    check_verdict,
    prune_layer,
)
from harness.errors import PartError
from harness.plugin import (
    AllocatorTags,
    Batch,
    BudgetAllocator,
    EstimatorTags,
    Group,
    LayerInfo,
    LayerJob,
    LoadedModel,
    LocalPruner,
    Pattern,
    PrunerTags,
    ScoreEstimator,
    Statistic,
    Statistics,
    Target,
    Task,
    keep_largest,
)


def toy_layers() -> list[LayerInfo]:
    """Five layers of two towers, three blocks."""
    shapes = [
        ("a", 0, (12, 8)),
        ("a", 0, (8, 12)),
        ("a", 1, (6, 8)),
        ("b", 0, (8, 8)),
        ("b", 0, (4, 8)),
    ]
    return [
        LayerInfo(
            name=f"{tower}.{block}.{index}",
            tower=tower,
            block=block,
            role=str(index),
            shape=shape,
            stream=tower,
        )
        for index, (tower, block, shape) in enumerate(shapes)
    ]


class ToySession:
    """A `ScoreSession` over linear layers whose loss is a quadratic form of all weights."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.layers: Sequence[LayerInfo] = toy_layers()
        self.rng = generator
        self._weights = {i.name: torch.randn(i.shape, generator=generator) for i in self.layers}
        self._inputs = {
            i.name: torch.randn(4, 16, i.shape[1], generator=generator) for i in self.layers
        }

    def batches(self, samples: int | None = None, *, size: int = 1) -> Sequence[Batch]:
        count = 4 if samples is None else min(samples, 4)
        starts = range(0, count, size)
        return [{"samples": torch.arange(s, min(s + size, count))} for s in starts]

    def weight(self, layer: LayerInfo) -> Tensor:
        return self._weights[layer.name]

    def loss(self, batch: Batch) -> Tensor:
        total = torch.zeros(())
        for layer in self.layers:
            x = self._inputs[layer.name][batch["samples"]]
            total = total + (x @ self._weights[layer.name].t()).square().mean()
        return total

    @contextmanager
    def perturbed(self, layer: LayerInfo) -> Iterator[Tensor]:
        saved = self._weights[layer.name].clone()
        try:
            yield self._weights[layer.name]
        finally:
            self._weights[layer.name].copy_(saved)

    def gradients(self, batch: Batch) -> Iterator[tuple[LayerInfo, Tensor]]:
        for layer in self.layers:
            x = self._inputs[layer.name][batch["samples"]].reshape(-1, layer.shape[1])
            y = x @ self._weights[layer.name].t()
            yield layer, 2 * y.t() @ x / y.numel()

    def statistics(self, kinds: AbstractSet[Statistic]) -> Iterator[tuple[LayerInfo, Statistics]]:
        for layer in self.layers:
            yield layer, statistics_of(layer, self._inputs[layer.name], kinds)

    def progress(self, done: int, total: int, label: str) -> None:
        assert 0 <= done <= total, f"progress {done} of {total} at {label}"


def statistics_of(layer: LayerInfo, inputs: Tensor, kinds: AbstractSet[Statistic]) -> Statistics:
    """Statistics of inputs (samples, tokens, in)."""
    x = inputs.reshape(-1, inputs.shape[-1]).float()
    values: dict[Statistic, Tensor] = {
        "input_sq": x.square().sum(dim=0),
        "input_mean": x.mean(dim=0),
        "input_var": x.var(dim=0, unbiased=False),
        "gram": x.t() @ x,
    }
    return Statistics(
        layer=layer.name,
        samples=inputs.shape[0],
        tokens=len(x),
        values={kind: value for kind, value in values.items() if kind in kinds},
    )


def check_score_estimator(estimator: ScoreEstimator) -> None:
    """Scores are complete, finite and reproducible; weights are left alone unless said otherwise.

    Scores per layer or group are not negative.
    """
    first, second = _scores(estimator), _scores(estimator)
    assert first.keys() == second.keys(), "the same seed scores other layers"
    for name, score in first.items():
        assert torch.equal(score, second[name]), f"{name}: the same seed gives other scores"


def _scores(estimator: ScoreEstimator) -> dict[str, Tensor]:
    session = ToySession()
    before = {layer.name: session.weight(layer).clone() for layer in session.layers}
    with _asserted():
        may_change = EstimatorTags.of(estimator).changes_weights
        scores = {name: torch.as_tensor(s) for name, s in check_scores(estimator, session)}
    for layer in session.layers:
        unchanged = torch.equal(session.weight(layer), before[layer.name])
        assert may_change or unchanged, f"{layer.name} was changed"
    return scores


class ToyTable:
    """A `ScoreTable` with scores 1, 2, 3 … for the groups of the toy layers."""

    def __init__(self, granularity: Any = "block") -> None:
        names = dict.fromkeys(layer.group(granularity) for layer in toy_layers())
        self.groups: Sequence[Group] = [
            Group(
                name=name,
                tower=name.partition(".")[0],
                layers=tuple(i for i in toy_layers() if i.group(granularity) == name),
            )
            for name in names
        ]

    def total(self, group: Group) -> float:
        return 1.0 + [found.name for found in self.groups].index(group.name)

    def mean(self, group: Group) -> float:
        return self.total(group) / group.numel

    def count_largest(self, keep: int, layers: Sequence[LayerInfo]) -> dict[str, int]:
        """As if later layers had the larger scores."""
        counts = {}
        for layer in reversed(layers):
            counts[layer.name] = min(keep, layer.numel)
            keep -= counts[layer.name]
        return counts

    def count_above(self, rank: int, layers: Sequence[LayerInfo]) -> dict[str, int]:
        """As if no two scores were equal."""
        return self.count_largest(sum(layer.numel for layer in layers) - rank, layers)


def check_budget_allocator(allocator: BudgetAllocator, *, scored: bool = True) -> None:
    """Totals are exact and caps respected at several sparsities, unless ``exact`` is False."""
    layers = toy_layers()
    numel = sum(layer.numel for layer in layers)
    with _asserted():
        tags = AllocatorTags.of(allocator)
    table = ToyTable(tags.granularity) if scored else None
    for sparsity in (0.0, 0.3, 0.5, 0.77):
        for cap in (1.0, min(1.0, sparsity + 0.1)):
            target = Target(
                numel=numel,
                sparsity=sparsity,
                keep=numel - int(numel * sparsity),
                min_keep={layer.name: int(layer.numel * (1 - cap)) for layer in layers},
                p_max=cap,
            )
            with _asserted(f"sparsity {sparsity:g}: "):
                check_budget(allocator.allocate(table, layers, target), layers, target, tags)


def check_local_pruner(pruner: LocalPruner, *, scores: bool = True) -> None:
    """Counts are exact, n:m holds, the job is left alone, the same seed prunes the same.

    Weights that stay keep their values unless ``changes_weights`` is True.
    """
    layer = toy_layers()[0]
    for keep_count, pattern in ((0, None), (40, None), (96, None), (48, Pattern(2, 4))):
        with _asserted():
            tags = PrunerTags.of(pruner)
            jobs = [_job(layer, tags, keep_count, pattern, scores=scores) for _ in range(2)]
            first, second = (prune_layer(pruner, job) for job in jobs)
        assert torch.equal(first.keep, second.keep), "the same seed prunes other weights"


def _job(
    layer: LayerInfo, tags: PrunerTags, keep_count: int, pattern: Pattern | None, *, scores: bool
) -> LayerJob:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, 20, layer.shape[1], generator=generator)
    weight = torch.randn(layer.shape, generator=generator)
    given = None
    if tags.refines:
        given = keep_largest(weight.abs(), keep_count, compare="row", pattern=pattern)
    return LayerJob(
        info=layer,
        weight=weight,
        keep_count=keep_count,
        pattern=pattern,
        stats=statistics_of(layer, inputs, tags.statistics),
        scores=torch.rand(layer.shape, generator=generator) if scores else None,
        keep=given,
        rng=torch.Generator().manual_seed(0),
    )


@contextmanager
def _asserted(where: str = "") -> Iterator[None]:
    """Let what the machine would refuse fail a test."""
    try:
        yield
    except PartError as error:
        raise AssertionError(f"{where}{error}") from None


def check_task(task: Task, folder: Path, outputs: Sequence[Any], expected: float) -> None:
    """Reading `folder` and scoring `outputs` gives `expected` as the mean of the items' scores."""
    profile = task.profiles[0]
    examples = task.examples(folder, profile, None)
    ids = [example.sample.id for example in examples]
    assert len(set(ids)) == len(ids), "two items have the same id"
    with _asserted():
        check_outputs(outputs, len(examples))
        scores = task.score(examples, outputs, profile)
        check_verdict(scores, len(examples), task.metric)
    mean = sum(scores.per_sample) / len(examples)
    assert abs(mean - expected) < 1e-9, f"mean score {mean}, not {expected}"


def check_model_family(loaded: LoadedModel, batch: Batch) -> None:
    """Towers, blocks and layers are there; the loss is a finite float32 and can be repeated."""
    assert loaded.towers, "no towers"
    for tower in loaded.towers:
        assert tower.blocks, f"tower {tower.name} has no blocks"
        for name, block in tower.blocks:
            assert loaded.module.get_submodule(name) is block, f"{name} is another module"
    with torch.no_grad():
        first, second = loaded.loss(batch), loaded.loss(batch)
    assert first.shape == (), f"the loss is of shape {tuple(first.shape)}, not ()"
    assert first.dtype == torch.float32, f"the loss is {first.dtype}, not float32"
    assert bool(torch.isfinite(first)), f"the loss is {float(first)}"
    assert torch.equal(first, second), "the loss of one batch changes from call to call"
