"""What would go wrong after hours, found before anything is computed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import nn

from harness.calibration import CalibrationSet
from harness.errors import HarnessError, InputError
from harness.grid import Variant
from harness.model import Model
from harness.plugin import Batch
from harness.plugin.faults import one_line
from harness.prune_cell import PruneCell
from harness.rehearsal import rehearse
from harness.structure import structure_of
from harness.tasks import OpenTask

#: Bytes of a record: what is always there, and a line for each layer.
RECORD_BYTES, LAYER_BYTES = 20_000, 800
#: Bytes of an item in the log of finished batches and in the per-sample log.
ITEM_BYTES = 500


def check_pruning(cell: PruneCell) -> None:
    """Find what keeps a pruned model from being made.

    Raises:
        InputError: The calibration set or the train stream is not what the model or a part takes,
            or the parts do not go together.
    """
    bench, variant = cell.bench, cell.variant
    if variant.composition.searcher is not None:
        structure_of(bench.model)
    _check_parts(variant, bench.model)
    if cell.calibration is not None:
        if variant.reads_scores:
            _check_count(variant, cell.calibration)
        if cell.seed not in bench.checked:
            _check_calibration(cell.calibration, bench.model)
            bench.checked.add(cell.seed)
    if variant.needs_training:
        _check_train_stream(cell)


def _check_parts(variant: Variant, model: Model) -> None:
    """Let the parts work on something small: what they refuse of one another, they refuse here."""
    try:
        rehearse(variant, model)
    except InputError as error:
        raise InputError(f"pruner {variant.row}: {error}") from None


def _check_count(variant: Variant, calibration: CalibrationSet) -> None:
    """By convention, `samples` of an estimator is how many of the calibration set it takes."""
    needed, held = getattr(variant.composition.estimator, "samples", None), len(calibration.samples)
    if isinstance(needed, int) and needed > held:
        raise InputError(
            f"pruner {variant.row}: score.samples is {needed}, the calibration set has {held}; "
            f'say --calibration "{calibration.source} samples={needed}" or score.samples={held}'
        )


def _check_calibration(calibration: CalibrationSet, model: Model) -> None:
    """Every sample is one that the model takes, and the longest goes through it."""
    batches: list[Batch] = []
    option = f"--calibration {calibration.source}"
    for sample in calibration.samples:
        try:
            batch = model.loaded.collate([sample])
        except HarnessError as error:
            raise InputError(f"{option}: {error}") from None
        except Exception as error:
            raise InputError(f"{option}: {sample.id}: {one_line(error)}") from error
        largest = int(batch["input_ids"].max()) if "input_ids" in batch else 0
        _check_ids(largest, model, f"{option}: sample {sample.id}")
        batches = sorted([*batches, batch], key=_length)[-1:]
    [longest] = batches
    try:
        with torch.no_grad():
            model.loaded.loss(longest)
    except (IndexError, ValueError) as error:
        raise InputError(
            f"{option}: its longest sample, {_length(longest)} tokens, does not go through the "
            f"model ({one_line(error)}); say window=NUMBER, or name another source"
        ) from error


def _length(batch: Batch) -> int:
    """Tokens of the text in a batch."""
    return int(batch["input_ids"].shape[-1]) if "input_ids" in batch else 0


def _check_train_stream(cell: PruneCell) -> None:
    """There is a batch for everything that trains."""
    variant, excluded = cell.variant, cell.calibration.inputs if cell.calibration else ()
    retraining = getattr(variant.composition.searcher, "retraining", None)
    for training in filter(None, (variant.finetune, retraining)):
        batches = cell.bench.train_stream.batches(training.batch_size, cell.seed, set(excluded))
        try:
            cell.bench.model.loaded.collate([sample for _, sample in next(batches)])
        except InputError as error:
            raise InputError(f"--train {cell.bench.train_stream.source}: {error}") from None


def check_tokens(model: Model, tasks: Sequence[OpenTask]) -> None:
    """No window of a task holds a token that the model has no embedding of.

    Raises:
        InputError: One does.
    """
    for task in {id(task): task for task in tasks}.values():
        largest = max((max(e.sample.tokens, default=0) for e in task.examples), default=0)
        _check_ids(largest, model, f"--tasks {task.name}")


def _check_ids(largest: int, model: Model, whose: str) -> None:
    rows = _embedding_rows(model.loaded.module)
    if largest >= rows:
        raise InputError(
            f"{whose}: token {largest} is none of the {rows} that model {model.spec.name} embeds; "
            f"give the tokenizer that it was trained with"
        )


def _embedding_rows(module: nn.Module) -> int:
    """Tokens that the model embeds; as many as there are where it does not tell."""
    try:
        embedding = module.get_input_embeddings()  # type: ignore[operator]
    except (AttributeError, NotImplementedError):
        return sys.maxsize
    return embedding.num_embeddings if isinstance(embedding, nn.Embedding) else sys.maxsize


def room_of_pruning(cell: PruneCell) -> int:
    """Bytes of a pruned model's record, masks and new weights in the results folder, about."""
    model, variant = cell.bench.model, cell.variant
    weights = sum(model.weight(layer).nbytes for layer in model.layers)
    bits = sum(layer.numel for layer in model.layers) // 8
    record = RECORD_BYTES + LAYER_BYTES * len(model.layers)
    if variant.needs_training:
        return record + bits + weights + room_of_model(model)
    return record + bits + (weights if variant.changes_weights else 0)


def room_of_log(task: OpenTask) -> int:
    """Bytes of an evaluation's record and logs, about."""
    return RECORD_BYTES + ITEM_BYTES * len(task.examples)


def room_of_model(model: Model) -> int:
    """Bytes of all parameters."""
    return sum(parameter.nbytes for parameter in model.loaded.module.parameters())
