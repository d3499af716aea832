"""The run: the straight way from what is asked to what is filed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.ahead import (
    check_pruning,
    check_tokens,
    room_of_log,
    room_of_model,
    room_of_pruning,
)
from harness.asked import hash_of
from harness.atomic import refuse_filled, refuse_unwritable_inside
from harness.bench import Announcer, Bench, open_bench
from harness.calibration import check_sources
from harness.checkpoint import masks_do_not_suffice, save_masks, save_pruned
from harness.errors import HarnessError, InputError, RunError, StorageError
from harness.eval_cell import EvalCell, make_eval_cell, run_eval_cell
from harness.folder_manifest import Format, read_manifest
from harness.grid import Variant, make_variants
from harness.interrupted import end_if_asked
from harness.leaderboard import Board, write_boards
from harness.patch import open_patch
from harness.plugin import CellInfo, RunInfo
from harness.plugin.faults import one_line, whole
from harness.plugin.manager import Plugins
from harness.prune_cell import PruneCell, ensure_pruned, make_prune_cell
from harness.record import FailureRecord, PruneRecord
from harness.room import refuse_without_room
from harness.spec import RunSpec
from harness.tasks import OpenTask, check_names, open_tasks


@dataclass
class Outcome:
    """What a run did."""

    filed: int = 0
    skipped: int = 0
    """Cells that were filed before."""
    planned: list[str] = field(default_factory=list)
    """Of a dry run: the cells that would run."""
    failures: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    """One for each failure."""
    refusals: list[InputError] = field(default_factory=list)
    """Those of the failures that the caller can mend."""
    absent: list[str] = field(default_factory=list)
    """Tasks that were left out, since what they need is not installed."""
    boards: list[Board] = field(default_factory=list)
    """The model's boards."""
    notes: list[str] = field(default_factory=list)
    """Files of the results folder that are damaged, and what became of them."""


def run(spec: RunSpec, plugins: Plugins, *, dry: bool = False) -> Outcome:
    """Prune a model in every way asked, evaluate it beside its dense original, file and rank.

    What is filed already is not done again. All that can be known to go wrong is found before
    anything is computed; a cell that fails all the same is filed with its reason, and the others
    go on.

    Args:
        dry: Only say which cells would run.

    Raises:
        InputError: What was asked cannot be done as asked, or no cell could be for such a reason.
        StorageError: What was computed cannot be written.
    """
    outcome = Outcome()
    refuse_unwritable_inside(spec.results, "--results")
    manifest = read_manifest(spec.model.name)
    saved = manifest.record if manifest else None
    variants = make_variants(spec, plugins, saved)
    check_names(spec.tasks, spec.data, plugins)
    check_sources(spec, plugins)
    with _announced(spec, plugins, len(variants)) as announcer:
        bench = open_bench(spec, plugins, announcer, manifest)
        variants = make_variants(spec, plugins, saved, bench.model.family)
        tasks, outcome.absent = open_tasks(spec.tasks, spec.data, bench.cache, bench.model, plugins)
        rows = [_plan(bench, variant, tasks) for variant in variants]
        _look_ahead(bench, rows)
        if not dry:
            _tidy(bench, rows)
            announcer.plan([cell for row in rows for cell in row.cells])
        for row in rows:
            outcome.skipped += len(row.filed)
            if dry:
                outcome.planned += row.missing_labels
            elif row.missing_labels:
                _fill(bench, row, outcome)
        if not dry:
            with announcer.stage("rank", bench.model_name):
                outcome.boards = write_boards(bench.store, _dense_digest(bench, variants))
        outcome.notes = list(bench.store.notes.values())
    if outcome.refusals and not outcome.filed + outcome.skipped:
        raise outcome.refusals[0]
    return outcome


def _dense_digest(bench: Bench, variants: Sequence[Variant]) -> str:
    """The model whose boards the cells stand on."""
    saved = variants[0].saved
    return hash_of(dict(saved.asked.model)) if saved else bench.model.digest


def prune_to_folder(
    spec: RunSpec, plugins: Plugins, folder: Path, form: Format = "hf"
) -> PruneRecord:
    """Prune a model in the one way asked, file its record and save it as a folder.

    Raises:
        InputError: The spec asks for more or less than one pruned model.
        CheckpointError: The folder is not empty, or masks alone do not make the model.
        RunError: The model or a part of the pruner raised an error.
    """
    refuse_filled(folder)
    refuse_unwritable_inside(spec.results, "--results")
    planned = [variant for variant in make_variants(spec, plugins) if variant.is_pruned]
    if len(planned) != 1:
        raise InputError(f"a folder holds one pruned model; {len(planned)} are asked for")
    if form == "masks" and planned[0].changes_weights:
        raise masks_do_not_suffice(planned[0].row)
    check_sources(spec, plugins)
    with _announced(spec, plugins, 1) as announcer:
        bench = open_bench(spec, plugins, announcer, read_manifest(spec.model.name))
        variants = make_variants(spec, plugins, family=bench.model.family)
        [variant] = [variant for variant in variants if variant.is_pruned]
        variant.target(bench.model)
        cell = make_prune_cell(bench, variant)
        check_pruning(cell)
        refuse_without_room(spec.results, room_of_pruning(cell), "--results")
        refuse_without_room(folder, room_of_model(bench.model), "--save")
        with _failed_in_one_line(variant):
            record = ensure_pruned(cell)
        with announcer.stage("save", str(folder)), open_patch(cell.patch, bench.model) as patch:
            masks, orders, suffice = patch.masks, patch.permutations, patch.is_masks_only
            if form == "masks":
                save_masks(folder, record, masks, masks_suffice=suffice, permutations=orders)
            else:
                save_pruned(
                    folder,
                    bench.model,
                    record,
                    masks,
                    masks_suffice=suffice,
                    permutations=orders,
                )
    return record


@contextmanager
def _announced(spec: RunSpec, plugins: Plugins, rows: int) -> Iterator[Announcer]:
    info = RunInfo(model=spec.model.name, rows=rows, results=str(spec.results))
    plugins.hook.harness_run_started(info=info)
    yield Announcer(plugins)
    plugins.hook.harness_run_finished(info=info)


@dataclass(frozen=True)
class _Row:
    """One variant and what of it is still to do."""

    variant: Variant
    prune: PruneCell | None
    needs_record: bool
    """Whether the pruned model has no record yet."""
    missing: Sequence[EvalCell]
    filed: Sequence[EvalCell]

    @property
    def cells(self) -> list[CellInfo]:
        """What is to be done, in its order."""
        evals = [CellInfo(label=cell.label, kind=cell.task.name) for cell in self.missing]
        prune = CellInfo(label=f"prune {self.variant.label}", kind="prune")
        return [prune, *evals] if self.needs_record else evals

    @property
    def missing_labels(self) -> list[str]:
        return [cell.label for cell in self.cells]


def _plan(bench: Bench, variant: Variant, tasks: Sequence[OpenTask]) -> _Row:
    """Look up which cells of a variant are filed."""
    variant.target(bench.model)
    cell = make_prune_cell(bench, variant) if variant.is_pruned else None
    fitting = [task for task in tasks if task.can_be_blind or not variant.is_blind]
    cells = [make_eval_cell(bench, variant, cell, task) for task in fitting]
    filed = [c for c in cells if bench.store.find_eval(c.task.name, c.key) is not None]
    missing = [c for c in cells if c not in filed]
    needs_record = cell is not None and bench.store.find_prune(cell.key) is None
    return _Row(variant, cell, needs_record, missing, filed)


def _look_ahead(bench: Bench, rows: Sequence[_Row]) -> None:
    """Find what would go wrong later, before anything is computed.

    Raises:
        InputError: It would; the option to change is named.
    """
    todo = [row for row in rows if row.missing_labels]
    pruned = [row.prune for row in todo if row.prune is not None]
    for cell in pruned:
        check_pruning(cell)
    evals = [cell for row in todo for cell in row.missing]
    check_tokens(bench.model, [cell.task for cell in evals])
    needed = sum(map(room_of_pruning, pruned)) + sum(room_of_log(cell.task) for cell in evals)
    needed += room_of_model(bench.model) if pruned[1:] else 0
    refuse_without_room(bench.store.root, needed, "--results")


def _tidy(bench: Bench, rows: Sequence[_Row]) -> None:
    """Remove what killed runs left, and keep the dense weights if they are needed again."""
    bench.store.clear()
    for row in rows:
        for cell in row.filed:
            cell.resume.unlink(missing_ok=True)
    if sum(bool(row.prune and row.missing_labels) for row in rows) > 1:
        bench.keep_dense()


def _fill(bench: Bench, row: _Row, outcome: Outcome) -> None:
    """Do what is missing of a row, and leave the model dense."""
    record = row.variant.saved
    if record is not None:
        bench.store.file_prune(record)
    try:
        if row.prune is not None:
            with _filed_if_failed(bench, row.variant, row.prune, outcome):
                record = ensure_pruned(row.prune)
        if record is not None or row.prune is None:
            for cell in row.missing:
                with _filed_if_failed(bench, row.variant, cell, outcome):
                    run_eval_cell(cell, record)
                    outcome.filed += 1
    finally:
        bench.restore_dense()


@contextmanager
def _filed_if_failed(
    bench: Bench, variant: Variant, cell: PruneCell | EvalCell, outcome: Outcome
) -> Iterator[None]:
    """The stage border: what goes wrong inside becomes a failure record, and the run goes on."""
    label = cell.label if isinstance(cell, EvalCell) else variant.label
    bench.announcer.begin(label if isinstance(cell, EvalCell) else f"prune {label}")
    try:
        yield
    except StorageError:
        raise
    except (Exception, SystemExit) as error:  # a plugin may call sys.exit
        end_if_asked()
        reason, traceback = one_line(error), whole(error)
        outcome.failures.append(f"{label}: {reason}")
        outcome.tracebacks.append(traceback)
        outcome.refusals += [error] if isinstance(error, InputError) else []
        happened = bench.circumstances(bench.cost(), variant)
        bench.store.file_failure(
            FailureRecord(
                model=bench.model_name,
                row=variant.row,
                task=cell.task.name if isinstance(cell, EvalCell) else None,
                sparsity=variant.sparsity,
                seed=variant.seed,
                asked=cell.asked,
                reason=reason,
                circumstances=happened.model_copy(update={"traceback": traceback}),
            )
        )


@contextmanager
def _failed_in_one_line(variant: Variant) -> Iterator[None]:
    """What the model or a library raises is told as a failure of the one cell there is.

    Raises:
        RunError: In the place of what was raised.
    """
    try:
        yield
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:
        end_if_asked()
        raise RunError(f"{variant.label}: {one_line(error)}") from error
