"""The options that several commands share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.errors import InputError

ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Bundled model, folder, or hub id. Default: mini-blip2."),
]
PrunerOption = Annotated[
    str | None,
    typer.Option(
        "--pruner",
        help='Recipes, separated by commas: "ecoflap p_max=0.7,wanda", or '
        '"score=… budget=… local=…".',
    ),
]
SparsityOption = Annotated[
    str | None, typer.Option("--sparsity", help="Fractions of zeros in [0, 1). Default: 0.5.")
]
SeedOption = Annotated[str | None, typer.Option("--seed", help="Seeds. Default: 0.")]
TasksOption = Annotated[
    str | None,
    typer.Option("--tasks", help="Tasks: vqav2, vqav2/official, vqav2@5k (a fixed subset) …"),
]
DataOption = Annotated[
    str | None,
    typer.Option("--data", help="mini, full, a folder of task folders, or task=DIR[,task=DIR]."),
]
IncludeOption = Annotated[
    Path | None,
    typer.Option(
        "--include-path", help="Folder of lm-eval task files; the same as --data lm_eval=DIR."
    ),
]
CalibrationOption = Annotated[
    str | None,
    typer.Option(
        "--calibration",
        help='SOURCE[=PATH], "samples=N subset=A:B" and options of the source, which '
        "`harness plugins --options` lists.",
    ),
]
TrainOption = Annotated[
    str | None,
    typer.Option(
        "--train",
        help='Train stream of searchers and fine-tuning: SOURCE[=PATH] and "subset=A:B".',
    ),
]
FinetuneOption = Annotated[
    str | None,
    typer.Option(
        "--finetune",
        help='Train after pruning, zeros stay zero: "steps=N lr=1e-4 batch_size=16".',
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:1 … or auto. Default: auto.")
]
DTypeOption = Annotated[str | None, typer.Option("--dtype", help="float32, bfloat16 or float16.")]
ImagesOption = Annotated[
    str | None, typer.Option("--images", help='"short=256 crop=224 mean=0.5 std=0.5".')
]
BackendOption = Annotated[
    str | None,
    typer.Option("--backend", help="Who answers instead of the family: NAME or NAME=ENVIRONMENT."),
]
FormatOption = Annotated[
    Literal["hf", "masks"],
    typer.Option("--format", help="A Hugging Face folder, or masks alone (one bit a weight)."),
]
InitOption = Annotated[
    str | None,
    typer.Option("--init", help="random: draw weights for the model's config, read none."),
]
IgnoreOption = Annotated[
    str | None,
    typer.Option(
        "--ignore-tensors",
        help='Tensors in the model\'s files that it does without: "v_head.*,…".',
    ),
]
DenseOption = Annotated[
    str | None,
    typer.Option("--dense", help="Of a folder of masks: the dense model, where it is now."),
]
BaseOption = Annotated[
    Path | None,
    typer.Option("--base", help="For LAVIS: the folder that was imported and then pruned."),
]
BatchOption = Annotated[int | None, typer.Option("--batch-size", help="Items per batch.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", help="Only the first N items of every task.")
]
PatternOption = Annotated[
    str | None, typer.Option("--pattern", help="unstructured or n:m (n of every m stay).")
]
ResultsOption = Annotated[
    Path | None, typer.Option("--results", help="Results folder. Default: results.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="YAML file of a run; options go before it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

DEFAULT_MODEL = "mini-blip2"
RESULTS = Path("results")
DEVICE = re.compile(r"cpu|cuda(:\d{1,3})?")


def cache_folder() -> Path:
    """``HARNESS_CACHE``, else ``harness`` in the user's cache folder."""
    if "HARNESS_CACHE" in os.environ:
        return Path(os.environ["HARNESS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness"


def environment_of(backend: str, folder: Path | None) -> Path:
    """Where a backend's environment is, or is made."""
    return folder or cache_folder() / "backends" / backend


def resolve_device(name: object) -> str:
    """``auto`` is the GPU where there is one.

    Raises:
        InputError: No such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not isinstance(name, str) or not DEVICE.fullmatch(name):
        raise InputError(f"--device {name}: not a device; cpu, cuda, cuda:N or auto")
    if name != "cpu" and not torch.cuda.is_available():
        raise InputError(f"--device {name}: torch sees no GPU here")
    if name != "cpu" and int(name.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {name}: torch sees {torch.cuda.device_count()} GPUs here")
    return name
