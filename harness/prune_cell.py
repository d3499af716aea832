"""One pruned model: from its identity to its record, or from the cache back to life."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.asked import PruneAsked, key_of
from harness.atomic import write_atomically
from harness.bench import Bench, RunningStage, short_key
from harness.budget import Budget, allocate, describe
from harness.calibration import CalibrationSet
from harness.contract import blamed, check_units
from harness.cost import Cost
from harness.errors import PartError, RunError
from harness.grid import Variant
from harness.identity import identify_beside
from harness.masks import Masks, masks_digest, verify
from harness.model import weights_digest
from harness.patch import apply_patch, open_patch, write_patch
from harness.permutation import Permutations
from harness.plugin import AllocatorTags, Shrinks, Target, Training
from harness.pruning import Fine, Pruned, prune
from harness.record import PruneGot, PruneRecord
from harness.scoring import ScoreSet, score
from harness.sparsity import SparsityReport
from harness.store import Store
from harness.training import TrainingSession, fine_tune, training_session


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

    @property
    def patch(self) -> Path:
        """Where the next run finds the masks and new weights."""
        return self.bench.store.cache / "masks" / f"{self.key[:24]}.safetensors"


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
        train=bench.train_stream.identity if variant.needs_training else None,
        finetune=asdict(variant.finetune) if variant.finetune else None,
        code=identify_beside(
            bench.plugins,
            {
                "family": bench.model.family,
                "calibration": calibration.source if calibration else None,
                "train": bench.train_stream.source if variant.needs_training else None,
            },
        ),
    )
    return PruneCell(bench, variant, seed, calibration, asked)


def ensure_pruned(cell: PruneCell) -> PruneRecord:
    """Leave the live dense model pruned, from the cache if its record is filed; return the record.

    Raises:
        RunError: Pruning again gave something else than the record says.
    """
    bench = cell.bench
    filed = bench.store.find_prune(cell.key)
    if filed is not None and apply_patch(cell.patch, bench.model, filed.got):
        with open_patch(cell.patch, bench.model) as patch:
            _verify(cell, patch.masks, patch.permutations, filed.got.budget)
        return filed
    if filed is not None and cell.patch.is_file():
        told = "cached masks that are damaged count as missing"
        bench.store.notes[cell.patch] = f"{cell.patch}: {told}"
    record, pruned = _prune(cell)
    write_patch(cell.patch, bench.model, pruned)
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
    """Prune in one shot or search, fine-tune if asked; verify."""
    bench, model, composition = cell.bench, cell.bench.model, cell.variant.composition
    label, cost = cell.variant.label, bench.cost()
    pruned, budget = _search(cell, cost) if composition.searcher else _one_shot(cell, cost)
    if cell.variant.finetune:
        _fine_tune(cell, pruned, cell.variant.finetune, cost)
    with bench.announcer.stage("verify", label), cost.measure("verify"):
        report = _verify(cell, pruned.masks, pruned.permutations, budget.keep)
    got = PruneGot(
        target_keep=cell.variant.target(model).keep,
        sparsity=report,
        budget=budget.keep,
        masks=masks_digest(pruned.masks, pruned.permutations),
        weights=weights_digest(model.loaded.module),
        calibrated_on=cell.calibration.inputs if cell.calibration else (),
        window=cell.calibration.window if cell.calibration else None,
        trained_on=pruned.trained_on,
        units=pruned.units,
        is_shrunk=bool(pruned.units) and isinstance(model.loaded, Shrinks),
        is_permuted=bool(pruned.permutations),
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


def _verify(
    cell: PruneCell, masks: Masks, permutations: Permutations, budget: Mapping[str, int]
) -> SparsityReport:
    model, pattern, exact = cell.bench.model, cell.variant.pattern, cell.variant.composition.exact
    return verify(model, masks, budget, pattern, permutations, exact=exact)


def _search(cell: PruneCell, cost: Cost) -> tuple[Pruned, Budget]:
    """Let the searcher find the units that stay, take out the others, retrain."""
    bench, searcher, label = cell.bench, cell.variant.composition.searcher, cell.variant.label
    assert searcher is not None
    with (
        bench.announcer.stage("search", label) as stage,
        cost.measure("search"),
        _training(cell, stage) as session,
    ):
        structure, target = session.structure, cell.variant.target(bench.model)
        with blamed(cell.variant.composition.title("search", searcher.name)):
            units = searcher.search(session, target)
            check_units(units, structure.groups)
            masks = structure.masks(units)
            _refuse_too_many(masks, target)
        session.drop_gates()
        structure.clear(units, masks)
        fine_tune(session, searcher.retraining, masks)
    pruned = Pruned(
        masks=masks,
        units={name: int(stays.sum()) for name, stays in units.items()},
        trained_on=tuple(sorted(session.seen)),
    )
    return pruned, Budget({name: int(keep.sum()) for name, keep in masks.items()})


def _refuse_too_many(masks: Masks, target: Target) -> None:
    kept = sum(int(keep.sum()) for keep in masks.values())
    if kept < target.keep:
        raise PartError(
            f"takes out {target.numel - kept:,} weights, {target.numel - target.keep:,} are the "
            f"most at sparsity {target.sparsity:g}"
        )


def _fine_tune(cell: PruneCell, pruned: Pruned, training: Training, cost: Cost) -> None:
    """Train what pruning left; what it saw is noted beside what was seen before."""
    bench = cell.bench
    with (
        bench.announcer.stage("train", cell.variant.label) as stage,
        cost.measure("train"),
        _training(cell, stage) as session,
    ):
        fine_tune(session, training, pruned.masks)
    pruned.trained_on = tuple(sorted({*pruned.trained_on, *session.seen}))


def _training(cell: PruneCell, stage: RunningStage) -> AbstractContextManager[TrainingSession]:
    """The live model in training, on what the calibration set does not hold."""
    bench, calibration = cell.bench, cell.calibration
    shown = calibration.inputs if calibration else ()
    return training_session(bench.model, bench.train_stream, cell.seed, stage.progress, shown)


def _one_shot(cell: PruneCell, cost: Cost) -> tuple[Pruned, Budget]:
    """Score, allocate, prune, as many rounds as the recipe has."""
    bench, model, composition = cell.bench, cell.bench.model, cell.variant.composition
    label = cell.variant.label
    pruned, budget = Pruned(), Budget({})
    for number in range(1, composition.rounds + 1):
        scores = _scores(cell, cost, number) if cell.variant.reads_scores else None
        budget = _budget(cell, scores, cell.variant.target(model, number), cost)
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
    return pruned, budget


def _budget(cell: PruneCell, scores: ScoreSet | None, target: Target, cost: Cost) -> Budget:
    """What the allocator says, unless a pattern says it already."""
    if cell.variant.pattern is None:
        return _allocate(cell, scores, target, cost)
    with cell.bench.announcer.stage("allocate", cell.variant.label) as stage:
        stage.detail = cell.asked.unused_budget or ""
    return Budget(target.min_keep)


def _allocate(cell: PruneCell, scores: ScoreSet | None, target: Target, cost: Cost) -> Budget:
    allocator, model = cell.variant.composition.allocator, cell.bench.model
    assert allocator is not None
    label = cell.variant.label
    with cell.bench.announcer.stage("allocate", label) as stage, cost.measure("allocate"):
        table = None
        if scores is not None:
            table = scores.table(model.layers, AllocatorTags.of(allocator).granularity)
        with blamed(cell.variant.composition.title("budget", allocator.name)):
            budget = allocate(allocator, table, model.layers, target)
        stage.detail = describe(model.layers, budget)
    return budget


def _scores(cell: PruneCell, cost: Cost, number: int) -> ScoreSet | None:
    """Scores of the estimator, if the composition has one, with what they cost."""
    tags = cell.variant.composition.estimator_tags
    if tags is None:
        return None
    reusable = number == 1 and not tags.changes_weights
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
        [part.model_dump(mode="json") for part in cell.asked.code],
    )
    path = bench.store.cache / "scores" / f"{key}.json"
    found = bench.scores.get(key) or read_scores(path, bench.store)
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
    with (
        bench.announcer.stage("score", estimator.name) as stage,
        cost.measure("score"),
        blamed(cell.variant.composition.title("score", estimator.name)),
    ):
        found = score(bench.model, estimator, cell.calibration, cell.seed, stage.progress)
    return replace(found, seconds=cost.seconds["score"], peak_memory_bytes=cost.peak_memory_bytes)


def read_scores(path: Path, store: Store) -> ScoreSet | None:
    """Scores that an earlier run cached; None if there are none, or are damaged, which is noted."""
    try:
        return ScoreSet.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        store.notes[path] = f"{path}: cached scores that are damaged ({error}) count as missing"
        return None
