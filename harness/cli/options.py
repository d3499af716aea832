"""The options that several commands share, and how they become a spec."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.cli import completion
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.spec import RunSpec

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
    str,
    typer.Option(
        "--device", help="cpu, cuda, cuda:1 ... or auto.", show_default=True, rich_help_panel=MODEL
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
    Path, typer.Option("--results", help="Results folder.", rich_help_panel=OUTPUT)
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file of a run; options go before it.", rich_help_panel=RUN),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of tables.", rich_help_panel=OUTPUT)
]

DEFAULT_MODEL = "mini-blip2"


def cache_folder() -> Path:
    """``HARNESS_CACHE``, else ``harness`` in the user's cache folder."""
    if "HARNESS_CACHE" in os.environ:
        return Path(os.environ["HARNESS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness"


def environment_of(backend: str, folder: Path | None) -> Path:
    """Where a backend's environment is, or is made."""
    return folder or cache_folder() / "backends" / backend


def build_spec(
    *,
    config: Path | None,
    model: str | None = None,
    pruner: str | None = None,
    sparsity: str | None = None,
    seed: str | None = None,
    tasks: str | None = None,
    data: str | None = None,
    include_path: Path | None = None,
    calibration: str | None = None,
    train: str | None = None,
    finetune: str | None = None,
    device: str = "auto",
    dtype: str | None = None,
    images: str | None = None,
    backend: str | None = None,
    init: str | None = None,
    ignore_tensors: str | None = None,
    dense: str | None = None,
    batch_size: int | None = None,
    limit: int | None = None,
    pattern: str | None = None,
    results: Path = Path("results"),
) -> RunSpec:
    """A run's spec from a YAML file and the options, which go before it.

    Raises:
        InputError: The first thing wrong, in one line.
    """
    from harness import notation
    from harness.spec import parse_spec

    content = read_config(config) if config else {}
    model_part = dict(content.get("model") or {})
    model_part["name"] = model or model_part.get("name") or DEFAULT_MODEL
    model_part["device"] = resolve_device(device)
    model_part |= _given(dtype=dtype, images=notation.parse_images(images), init=init, dense=dense)
    model_part |= _given(ignore_tensors=notation.parse_patterns(ignore_tensors))
    if backend is not None:
        backend_name, _, environment = backend.partition("=")
        found = environment_of(backend_name, Path(environment) if environment else None)
        model_part["backend"] = {"name": backend_name, "environment": found}
    content["model"] = model_part
    if pruner is not None:
        words = notation.split_pruners(pruner)
        content["pruners"] = [notation.parse_pruner(word) for word in words]
    if sparsity is not None:
        content["sparsities"] = notation.split_list(sparsity, float, "--sparsity")
    if seed is not None:
        content["seeds"] = notation.split_list(seed, int, "--seed")
    if tasks is not None:
        content["tasks"] = notation.split_list(tasks, notation.parse_task, "--tasks")
    if limit is not None:
        content["tasks"] = [{**task, "limit": limit} for task in content.get("tasks", ())]
    texts = {"data": data, "calibration": calibration, "train": train, "finetune": finetune}
    content |= {key: _parsers()[key](text) for key, text in _given(**texts).items()}
    if include_path is not None:
        part = content.get("data", {})
        folders = {**part.get("folders", {}), "lm_eval": include_path}
        content["data"] = {**part, "folders": folders}
    found_pattern = notation.parse_pattern(pattern)
    if found_pattern is not None:
        content["pattern"] = found_pattern
        if sparsity is None:
            content["sparsities"] = [1 - found_pattern["keep"] / found_pattern["of"]]
    content |= _given(batch_size=batch_size)
    content |= {"results": results, "cache": cache_folder()}
    return parse_spec(content)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file that ``--config`` names.

    Raises:
        InputError: It is missing or no mapping.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"--config {path}: no such file") from None
    except (OSError, yaml.YAMLError) as error:
        reason = str(error).replace("\n", " ")
        raise InputError(f"--config {path}: not readable as YAML ({reason})") from None
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: a mapping is needed")
    return content


def _given(**options: Any) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def read_config(path: Path) -> dict[str, Any]:
    """A YAML file of a run; pruners and tasks may stand in the short notation.

    Raises:
        InputError: It is missing or no YAML mapping.
    """
    from harness import notation

    content = read_yaml(path)
    if isinstance(content.get("model"), str):
        content["model"] = {"name": content["model"]}
    content["pruners"] = _expand(content.get("pruners", []), notation.parse_pruner)
    content["tasks"] = _expand(content.get("tasks", []), notation.parse_task)
    for key, parse in _parsers().items():
        if isinstance(content.get(key), str):
            content[key] = parse(content[key])
    return content


def _parsers() -> dict[str, Callable[[str], Any]]:
    """Parts of a spec that may stand in the short notation."""
    from harness import notation

    return {
        "data": notation.parse_data,
        "calibration": notation.parse_calibration,
        "train": notation.parse_train,
        "finetune": notation.parse_finetune,
    }


def _expand(entries: Sequence[Any], parse: Any) -> list[Any]:
    return [parse(entry) if isinstance(entry, str) else entry for entry in entries]


def resolve_device(name: str) -> str:
    """``auto`` is the GPU where there is one.

    Raises:
        InputError: No such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"--device {name}: not a device; cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {name}: torch sees no GPU here")
    return name
