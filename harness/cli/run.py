"""``harness run``: prune, evaluate, compare, file, rank."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import options, specs


def run(
    pruner: options.PrunerOption = None,
    tasks: options.TasksOption = None,
    model: options.ModelOption = None,
    sparsity: options.SparsityOption = None,
    seed: options.SeedOption = None,
    data: options.DataOption = None,
    include_path: options.IncludeOption = None,
    calibration: options.CalibrationOption = None,
    train: options.TrainOption = None,
    finetune: options.FinetuneOption = None,
    device: options.DeviceOption = None,
    dtype: options.DTypeOption = None,
    images: options.ImagesOption = None,
    backend: options.BackendOption = None,
    init: options.InitOption = None,
    ignore_tensors: options.IgnoreOption = None,
    dense: options.DenseOption = None,
    batch_size: options.BatchOption = None,
    limit: options.LimitOption = None,
    pattern: options.PatternOption = None,
    results: options.ResultsOption = None,
    config: options.ConfigOption = None,
    record: Annotated[
        Path | None,
        typer.Option("--from", help="Replay the cell of a record.", rich_help_panel=options.RUN),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only say which cells would run.", rich_help_panel=options.RUN
        ),
    ] = False,
    as_json: options.JsonOption = False,
) -> int:
    """Prune a model, evaluate it beside its dense original, and rank what is filed.

    Lists make a grid: every pruner at every sparsity with every seed on every
    task. Cells that are filed are not run again.
    """
    from harness.cli import render
    from harness.cli.loading import load_plugins
    from harness.cli.progress import live_progress
    from harness.cli.replay import replay_spec, report_replay
    from harness.pipeline import run as run_pipeline

    given: dict[str, Any] = {
        "config": config,
        "model": model,
        "pruner": pruner,
        "sparsity": sparsity,
        "seed": seed,
        "tasks": tasks,
        "data": data,
        "include_path": include_path,
        "calibration": calibration,
        "train": train,
        "finetune": finetune,
        "device": device,
        "dtype": dtype,
        "images": images,
        "backend": backend,
        "init": init,
        "ignore_tensors": ignore_tensors,
        "dense": dense,
        "batch_size": batch_size,
        "limit": limit,
        "pattern": pattern,
        "results": results,
    }
    spec = specs.build_spec(**given) if record is None else replay_spec(record, given)
    with live_progress() as display:
        outcome = run_pipeline(spec, load_plugins(display), dry=dry_run)
    render.print_outcome(outcome, spec.results, as_json=as_json)
    if record is not None and not dry_run:
        report_replay(record, spec.results, as_json=as_json)
    return 1 if outcome.failures or outcome.absent else 0
