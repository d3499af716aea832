"""One model on one task: from its identity to its record."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from harness.asked import EvalAsked, key_of
from harness.bench import Bench, short_key
from harness.calibration import INPUT_DIGITS
from harness.cost import REPORTED
from harness.evaluation import Evaluation, breakdown, evaluate
from harness.grid import Variant
from harness.identity import identify_beside
from harness.masks import live_sparsity
from harness.prune_cell import PruneCell
from harness.record import EvalGot, EvalRecord, PruneRecord
from harness.statistics import score_interval
from harness.store import log_digest
from harness.structure import shrunken
from harness.tasks import OpenTask
from harness.versions import library_versions


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

    @cached_property
    def resume(self) -> Path:
        """Log of finished batches: the same at every batch size, which the record tells."""
        asked = self.asked.model_dump(mode="json", exclude={"batch_size"})
        key = short_key(asked, library_versions(REPORTED))
        return self.bench.store.cache / "samples" / f"{key}.jsonl"


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
    """Evaluate the live model and file the record."""
    bench, task, variant, label = cell.bench, cell.task, cell.variant, cell.label
    resume = cell.resume
    cost = bench.cost()
    shrinks = pruned is not None and pruned.got.is_shrunk and bench.model.backend is None
    without_units = shrunken(bench.model) if shrinks else nullcontext()
    achieved = pruned.got.sparsity.model.sparsity if pruned else live_sparsity(bench.model)
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
            measuring=partial(bench.announcer.stage, "metrics", label),
        )
    if evaluation.damaged:
        told = f"{evaluation.damaged} batches were damaged and asked again"
        bench.store.notes[resume] = f"{resume}: {told}"
    log = evaluation.log(task)
    record = EvalRecord(
        model=variant.saved.model if variant.saved else bench.model_name,
        row=variant.row,
        task=task.name,
        asked_sparsity=variant.sparsity,
        achieved_sparsity=achieved,
        seed=variant.seed,
        asked=cell.asked,
        got=_got(cell, pruned, evaluation, log),
        circumstances=bench.circumstances(cost, variant, task.spec, str(task.path)).model_copy(
            update={"batch_sizes": evaluation.batch_sizes}
        ),
    )
    with bench.announcer.stage("file", label):
        bench.store.file_eval(record, log)
        resume.unlink(missing_ok=True)
    return record


def _got(
    cell: EvalCell,
    pruned: PruneRecord | None,
    evaluation: Evaluation,
    log: list[dict[str, Any]],
) -> EvalGot:
    metric, items = cell.task.task.metric, evaluation.items
    by_label, counts = breakdown(cell.task, items)
    interval = score_interval(items) if items else None
    low, high = interval.bounds if interval else (None, None)
    absent = dict(evaluation.scores.absent)
    if items:
        absent |= {label: "its items weigh nothing" for label in counts if label not in by_label}
        absent |= {"interval": items.why_unbounded} if low is None else {}
    return EvalGot(
        metric=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        transform=metric.transform,
        scale=metric.scale,
        is_correctness=metric.is_correctness,
        score=interval.value if interval else None,
        low=low,
        high=high,
        metrics=evaluation.scores.metrics,
        breakdown=by_label,
        counts=counts,
        absent=absent,
        calibration_overlap=_overlap(cell.task, pruned),
        samples=log_digest(log),
    )


def _overlap(task: OpenTask, pruned: PruneRecord | None) -> int:
    """How many evaluated items show what the pruner was calibrated or trained on."""
    seen = {*pruned.got.calibrated_on, *pruned.got.trained_on} if pruned else set()
    return sum(digest[:INPUT_DIGITS] in seen for digest in task.input_digests)
