"""One model on one task: from its identity to its record, compared with the dense model."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.bench import Bench, short_key
from harness.calibration import INPUT_DIGITS
from harness.cost import REPORTED
from harness.evaluation import Evaluation, breakdown, evaluate, log_digest
from harness.grid import Variant
from harness.identity import identify_beside
from harness.prune_cell import PruneCell
from harness.record import Comparison, EvalAsked, EvalGot, EvalRecord, PruneRecord, key_of
from harness.statistics import Items, make_items, paired_interval, paired_p, score_interval
from harness.structure import shrunken
from harness.tasks import OpenTask
from harness.versions import library_versions

#: An item counts as right from this score on (VQA accuracy is graded).
RIGHT = 0.5


@dataclass(frozen=True)
class EvalCell:
    """One variant on one task."""

    bench: Bench
    variant: Variant
    task: OpenTask
    asked: EvalAsked

    @property
    def key(self) -> str:
        return key_of(self.asked)

    @property
    def label(self) -> str:
        return f"{self.variant.label} on {self.task.name}"


def make_eval_cell(
    bench: Bench, variant: Variant, prune_cell: PruneCell | None, task: OpenTask
) -> EvalCell:
    """Settle the identity of a variant's evaluation on a task.

    A saved model is the pruned model of its record: its evaluation is the very cell that a run
    with that pruner would have.
    """
    saved, pruned = variant.saved, prune_cell.key if prune_cell else None
    backend = bench.spec.model.backend
    asked = EvalAsked(
        model=saved.asked.model if saved else bench.model.identity,
        pruned=saved.key if saved else pruned,
        blind=variant.is_blind,
        held=bench.held,
        task=task.part,
        profile=task.profile_identity,
        data=task.data,
        batch_size=bench.spec.batch_size,
        code=identify_beside(
            bench.plugins,
            {
                "family": bench.model.family,
                "backend": backend.name if backend else None,
            },
        ),
    )
    return EvalCell(bench, variant, task, asked)


def run_eval_cell(cell: EvalCell, pruned: PruneRecord | None) -> EvalRecord:
    """Evaluate the live model, compare it with the filed dense run, file the record."""
    bench, task, variant, label = cell.bench, cell.task, cell.variant, cell.label
    resume = bench.store.cache / "samples" / f"{_resume_key(cell)}.jsonl"
    cost = bench.cost()
    shrinks = pruned is not None and pruned.got.is_shrunk and bench.model.backend is None
    without_units = shrunken(bench.model) if shrinks else nullcontext()
    with (
        bench.announcer.stage("evaluate", label) as stage,
        without_units,
        cost.measure("evaluate"),
    ):
        evaluation = evaluate(
            bench.model,
            task,
            batch_size=bench.spec.batch_size,
            is_blind=variant.is_blind,
            resume=resume,
            progress=stage.progress,
        )
    log = evaluation.log(task)
    comparison = None
    if pruned is not None or variant.is_blind:
        with bench.announcer.stage("compare", label):
            comparison = _compare_with_dense(cell, evaluation.items)
    record = EvalRecord(
        model=variant.saved.model if variant.saved else bench.model_name,
        row=variant.row,
        task=task.name,
        asked_sparsity=variant.sparsity,
        achieved_sparsity=pruned.got.sparsity.model.sparsity if pruned else 0.0,
        seed=variant.seed,
        asked=cell.asked,
        got=_got(cell, pruned, evaluation, log, comparison),
        circumstances=bench.circumstances(cost, variant, task.spec, str(task.path)).model_copy(
            update={"batch_sizes": evaluation.batch_sizes}
        ),
    )
    with bench.announcer.stage("file", label):
        bench.store.file_eval(record, log)
        resume.unlink(missing_ok=True)
    return record


def _resume_key(cell: EvalCell) -> str:
    """The same at every batch size: answers are kept, and the record tells how they were made."""
    asked = cell.asked.model_dump(mode="json", exclude={"batch_size"})
    return short_key(asked, library_versions(REPORTED))


def _got(
    cell: EvalCell,
    pruned: PruneRecord | None,
    evaluation: Evaluation,
    log: list[dict[str, Any]],
    comparison: Comparison | None,
) -> EvalGot:
    metric = cell.task.task.metric
    interval = score_interval(evaluation.items)
    by_label, counts = breakdown(cell.task, evaluation.items)
    return EvalGot(
        metric=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        score=interval.value,
        low=interval.low,
        high=interval.high,
        metrics=evaluation.scores.metrics,
        breakdown=by_label,
        counts=counts,
        absent=evaluation.scores.absent,
        calibration_overlap=_overlap(cell.task, pruned),
        samples=log_digest(log),
        comparison=comparison,
    )


def _overlap(task: OpenTask, pruned: PruneRecord | None) -> int:
    """How many evaluated items show what the pruner was calibrated or trained on."""
    seen = {*pruned.got.calibrated_on, *pruned.got.trained_on} if pruned else set()
    return sum(digest[:INPUT_DIGITS] in seen for digest in task.input_digests)


def _compare_with_dense(cell: EvalCell, items: Items) -> Comparison | None:
    """Paired with the dense run of the same task, which ran before; None if that failed."""
    dense_asked = cell.asked.model_copy(update={"pruned": None, "blind": False})
    dense = cell.bench.store.find_eval(cell.task.name, key_of(dense_asked))
    if dense is None:
        return None
    then = items_of(cell.bench.store.read_samples(dense), cell.task)
    return compare(items, then, count_flips=cell.task.task.metric.is_correctness)


def items_of(log: list[dict[str, Any]], task: OpenTask) -> Items:
    """Per-item scores from a per-sample log."""
    metric = task.task.metric
    return make_items(
        [row["score"] for row in log],
        [row["cluster"] for row in log],
        weights=[row["weight"] for row in log],
        transform=metric.transform,
        scale=metric.scale,
    )


def compare(now: Items, dense: Items, *, count_flips: bool) -> Comparison:
    """Delta with its paired interval, p and, where scores are correctness, flips."""
    interval = paired_interval(now, dense)
    right_now, right_then = now.scores >= RIGHT, dense.scores >= RIGHT
    worse, better = (int(np.sum(right_then & ~right_now)), int(np.sum(~right_then & right_now)))
    return Comparison(
        dense=dense.main(),
        delta=interval.value,
        low=interval.low,
        high=interval.high,
        p=paired_p(now, dense),
        worse=worse if count_flips else None,
        better=better if count_flips else None,
        items=now.count,
        clusters=now.cluster_count,
    )
