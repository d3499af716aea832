"""``harness prune``: prune once and save the model as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import completion, options, specs


def prune(
    pruner: Annotated[
        str,
        typer.Option(
            "--pruner",
            help="One recipe or composition.",
            rich_help_panel=options.PRUNING,
            autocompletion=completion.pruners,
        ),
    ],
    save: Annotated[
        Path,
        typer.Option(
            "--save", help="Folder to write; new or empty.", rich_help_panel=options.OUTPUT
        ),
    ],
    form: options.FormatOption = "hf",
    model: options.ModelOption = None,
    sparsity: options.SparsityOption = None,
    seed: options.SeedOption = None,
    calibration: options.CalibrationOption = None,
    train: options.TrainOption = None,
    finetune: options.FinetuneOption = None,
    device: options.DeviceOption = None,
    dtype: options.DTypeOption = None,
    images: options.ImagesOption = None,
    init: options.InitOption = None,
    ignore_tensors: options.IgnoreOption = None,
    pattern: options.PatternOption = None,
    results: options.ResultsOption = None,
    as_json: options.JsonOption = False,
) -> int:
    """Prune a model and save it as a folder that loads like any other."""
    from harness.cli import render
    from harness.cli.loading import load_plugins
    from harness.cli.progress import live_progress
    from harness.pipeline import prune_to_folder

    spec = specs.build_spec(
        config=None,
        model=model,
        pruner=pruner,
        sparsity=sparsity,
        seed=seed,
        calibration=calibration,
        train=train,
        finetune=finetune,
        device=device,
        dtype=dtype,
        images=images,
        init=init,
        ignore_tensors=ignore_tensors,
        pattern=pattern,
        results=results,
    )
    with live_progress() as display:
        record = prune_to_folder(spec, load_plugins(display), save, form)
    render.print_pruned(record, save, spec.results, as_json=as_json)
    return 0
