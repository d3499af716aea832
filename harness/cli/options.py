"""The options that several commands share, in the groups of their help."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli import completion

#: Groups of options in a command's help.
MODEL, PRUNING, DATA = "Model", "Pruning", "Tasks and data"
RUN, OUTPUT = "What runs", "Output"

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Bundled model, folder, or hub id. Default: mini-blip2.",
        rich_help_panel=MODEL,
        autocompletion=completion.models,
    ),
]
PrunerOption = Annotated[
    str | None,
    typer.Option(
        "--pruner",
        help='Recipes, separated by commas: "ecoflap p_max=0.7,wanda", or '
        '"score=... budget=... local=...".',
        rich_help_panel=PRUNING,
        autocompletion=completion.pruners,
    ),
]
SparsityOption = Annotated[
    str | None,
    typer.Option(
        "--sparsity", help="Fractions of zeros in [0, 1). Default: 0.5.", rich_help_panel=PRUNING
    ),
]
SeedOption = Annotated[
    str | None, typer.Option("--seed", help="Seeds. Default: 0.", rich_help_panel=PRUNING)
]
TasksOption = Annotated[
    str | None,
    typer.Option(
        "--tasks",
        help="Tasks: vqav2, vqav2/official, vqav2@5k (a fixed subset) ...",
        rich_help_panel=DATA,
        autocompletion=completion.tasks,
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="mini, full, a folder of task folders, or task=DIR[,task=DIR].",
        rich_help_panel=DATA,
    ),
]
IncludeOption = Annotated[
    Path | None,
    typer.Option(
        "--include-path",
        help="Folder of lm-eval task files; the same as --data lm_eval=DIR.",
        rich_help_panel=DATA,
    ),
]
CalibrationOption = Annotated[
    str | None,
    typer.Option(
        "--calibration",
        help='SOURCE[=PATH], "samples=N subset=A:B" and options of the source, which '
        "`harness plugins --options` lists.",
        rich_help_panel=PRUNING,
    ),
]
TrainOption = Annotated[
    str | None,
    typer.Option(
        "--train",
        help='Train stream of searchers and fine-tuning: SOURCE[=PATH] and "subset=A:B".',
        rich_help_panel=PRUNING,
    ),
]
FinetuneOption = Annotated[
    str | None,
    typer.Option(
        "--finetune",
        help='Train after pruning, zeros stay zero: "steps=N lr=1e-4 batch_size=16".',
        rich_help_panel=PRUNING,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device", help="cpu, cuda, cuda:1 ... or auto. Default: auto.", rich_help_panel=MODEL
    ),
]
DTypeOption = Annotated[
    str | None, typer.Option("--dtype", help="float32, bfloat16 or float16.", rich_help_panel=MODEL)
]
ImagesOption = Annotated[
    str | None,
    typer.Option("--images", help='"short=256 crop=224 mean=0.5 std=0.5".', rich_help_panel=MODEL),
]
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="Who answers instead of the family: NAME or NAME=ENVIRONMENT.",
        rich_help_panel=MODEL,
    ),
]
FormatOption = Annotated[
    Literal["hf", "masks"],
    typer.Option(
        "--format",
        help="A Hugging Face folder, or masks alone (one bit a weight).",
        rich_help_panel=OUTPUT,
    ),
]
InitOption = Annotated[
    str | None,
    typer.Option(
        "--init",
        help="random: draw weights for the model's config, read none.",
        rich_help_panel=MODEL,
    ),
]
IgnoreOption = Annotated[
    str | None,
    typer.Option(
        "--ignore-tensors",
        help='Tensors in the model\'s files that it does without: "v_head.*,...".',
        rich_help_panel=MODEL,
    ),
]
DenseOption = Annotated[
    str | None,
    typer.Option(
        "--dense",
        help="Of a folder of masks: the dense model, where it is now.",
        rich_help_panel=MODEL,
    ),
]
BaseOption = Annotated[
    Path | None,
    typer.Option(
        "--base",
        help="For LAVIS: the folder that was imported and then pruned.",
        rich_help_panel=MODEL,
    ),
]
BatchOption = Annotated[
    int | None, typer.Option("--batch-size", help="Items per batch.", rich_help_panel=DATA)
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", help="Only the first N items of every task.", rich_help_panel=DATA),
]
PatternOption = Annotated[
    str | None,
    typer.Option(
        "--pattern", help="unstructured or n:m (n of every m stay).", rich_help_panel=PRUNING
    ),
]
ResultsOption = Annotated[
    Path | None,
    typer.Option("--results", help="Results folder. Default: results.", rich_help_panel=OUTPUT),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file of a run; options go before it.", rich_help_panel=RUN),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of tables.", rich_help_panel=OUTPUT)
]

DEFAULT_MODEL = "mini-blip2"
RESULTS = Path("results")


def cache_folder() -> Path:
    """``HARNESS_CACHE``, else ``harness`` in the user's cache folder."""
    if "HARNESS_CACHE" in os.environ:
        return Path(os.environ["HARNESS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness"


def environment_of(backend: str, folder: Path | None) -> Path:
    """Where a backend's environment is, or is made."""
    return folder or cache_folder() / "backends" / backend
