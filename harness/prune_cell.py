"""One pruned model: from its identity to its record, or from the cache back to life."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.bench import Bench, short_key
from harness.budget import Budget, allocate, describe
from harness.calibration import CalibrationSet
from harness.checkpoint import apply_cached, cache_pruned
from harness.composition import changes_weights
from harness.cost import Cost
from harness.errors import RunError
from harness.grid import Variant
from harness.masks import masks_digest, verify
from harness.model import weights_digest
from harness.plugin import Target
from harness.pruning import Fine, Pruned, prune
from harness.record import PruneAsked, PruneGot, PruneRecord, key_of
from harness.scoring import ScoreSet, score
from harness.store import write_atomically


@dataclass(frozen=True)
class PruneCell:
    """One pruner at one sparsity with one seed; the seed is 0 where it plays no part."""

    bench: Bench
    variant: Variant
    seed: int
    calibration: CalibrationSet | None
    asked: PruneAsked

    @property
    def key(self) -> str:
        return key_of(self.asked)


def make_prune_cell(bench: Bench, variant: Variant) -> PruneCell:
    """Settle the identity of a variant's pruned model."""
    composition, seed = variant.composition, variant.seed or 0
    calibration = bench.calibration(seed) if composition.needs_calibration else None
    asked = PruneAsked(
        model=bench.model.identity,
        held=bench.held,
        parts=composition.parts,
        sparsity=variant.sparsity,
        p_max=variant.p_max,
        pattern=str(variant.pattern) if variant.pattern else None,
        seed=variant.seed,
        calibration=calibration.identity if calibration else None,
        rounds=composition.rounds,
    )
    return PruneCell(bench, variant, seed, calibration, asked)


def ensure_pruned(cell: PruneCell) -> PruneRecord:
    """Leave the live model pruned, from the cache if its record is filed; return the record.

    Raises:
        RunError: Pruning again gave something else than the record says.
    """
    bench = cell.bench
    path = bench.store.cache / "masks" / f"{cell.key[:24]}.safetensors"
    filed = bench.store.find_prune(cell.key)
    if filed is not None and apply_cached(path, bench.model, filed):
        return filed
    bench.restore_dense()
    record, pruned = _prune(cell)
    cache_pruned(path, bench.model, pruned)
    if filed is None:
        with bench.announcer.stage("file", cell.variant.label):
            bench.store.file_prune(record)
    elif record.got != filed.got:
        raise RunError(
            f"{cell.variant.label}: pruning again gave other weights than record "
            f"{cell.key[:12]} says; the thread count, hardware or library versions may differ"
        )
    return record


def _prune(cell: PruneCell) -> tuple[PruneRecord, Pruned]:
    """Score, allocate, prune, as many rounds as the recipe has; verify."""
    bench, model, composition = cell.bench, cell.bench.model, cell.variant.composition
    label, cost = cell.variant.label, cell.bench.cost()
    pruned = Pruned()
    for number in range(1, composition.rounds + 1):
        scores = _scores(cell, cost, number)
        budget = _allocate(cell, scores, cell.variant.target(model, number), cost)
        fine = Fine(
            composition=composition,
            budget=budget,
            pattern=cell.variant.pattern,
            scores=scores.weights if scores else {},
            seed=cell.seed,
            before=pruned.masks,
        )
        with bench.announcer.stage("prune", label) as stage, cost.measure("prune"):
            pruned = prune(model, fine, cell.calibration, stage.progress)
    with bench.announcer.stage("verify", label), cost.measure("verify"):
        report = verify(
            model, pruned.masks, budget.keep, pruned.zeros_of_dense, exact=composition.exact
        )
    got = PruneGot(
        target_keep=cell.variant.target(model).keep,
        sparsity=report,
        budget=budget.keep,
        masks=masks_digest(pruned.masks),
        weights=weights_digest(model.loaded.module),
        calibrated_on=cell.calibration.inputs if cell.calibration else (),
        notes=pruned.notes,
    )
    record = PruneRecord(
        model=bench.model_name,
        pruner=cell.variant.row,
        asked=cell.asked,
        got=got,
        circumstances=bench.circumstances(cost, cell.variant),
    )
    return record, pruned


def _allocate(cell: PruneCell, scores: ScoreSet | None, target: Target, cost: Cost) -> Budget:
    allocator, model = cell.variant.composition.allocator, cell.bench.model
    assert allocator is not None
    label = cell.variant.label
    with cell.bench.announcer.stage("allocate", label) as stage, cost.measure("allocate"):
        table = None
        if scores is not None:
            table = scores.table(model.layers, getattr(allocator, "granularity", "block"))
        budget = allocate(allocator, table, model.layers, target)
        stage.detail = describe(model.layers, budget)
    return budget


def _scores(cell: PruneCell, cost: Cost, number: int) -> ScoreSet | None:
    """Scores of the estimator, if the composition has one, with what they cost."""
    if cell.variant.composition.estimator is None:
        return None
    reusable = number == 1 and not changes_weights(cell.variant.composition.estimator)
    found = _dense_scores(cell) if reusable else _score(cell)
    cost.add("score", found.seconds, found.peak_memory_bytes)
    return found


def _dense_scores(cell: PruneCell) -> ScoreSet:
    """Scores of the dense model: made once, then from the cache."""
    bench = cell.bench
    part = next(part for part in cell.asked.parts if part.kind == "score")
    key = short_key(
        bench.model.identity,
        bench.held.model_dump(),
        part.model_dump(mode="json"),
        cell.asked.calibration.model_dump() if cell.asked.calibration else None,
        cell.seed,
    )
    path = bench.store.cache / "scores" / f"{key}.json"
    found = bench.scores.get(key) or read_scores(path)
    if found is None:
        found = _score(cell)
        if not found.weights:
            write_atomically(path, found.to_json().encode())
    bench.scores[key] = found
    return found


def _score(cell: PruneCell) -> ScoreSet:
    """Run the estimator on the live model."""
    bench, estimator = cell.bench, cell.variant.composition.estimator
    assert estimator is not None
    cost = bench.cost()
    with bench.announcer.stage("score", estimator.name) as stage, cost.measure("score"):
        found = score(bench.model, estimator, cell.calibration, cell.seed, stage.progress)
    return replace(found, seconds=cost.seconds["score"], peak_memory_bytes=cost.peak_memory_bytes)


def read_scores(path: Path) -> ScoreSet | None:
    """Scores that an earlier run cached, or None."""
    try:
        return ScoreSet.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return None
