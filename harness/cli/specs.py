"""From options and a config file to the spec of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.options import DEFAULT_MODEL, RESULTS, cache_folder, environment_of
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.spec import RunSpec

DEVICE = re.compile(r"cpu|cuda(:\d{1,3})?")
#: Parts of a spec by their place -> what they are called where they come from the command line.
CALLED = {
    "model.name": "--model",
    "model.dtype": "--dtype",
    "model.images": "--images",
    "model.backend": "--backend",
    "model.init": "--init",
    "model.ignore_tensors": "--ignore-tensors",
    "model.dense": "--dense",
    "pruners": "--pruner",
    "sparsities": "--sparsity",
    "seeds": "--seed",
    "tasks": "--tasks",
    "pattern": "--pattern",
    "calibration": "--calibration",
    "train": "--train",
    "finetune": "--finetune",
    "data": "--data",
    "batch_size": "--batch-size",
    "results": "--results",
}
#: Keys of a config that evaluating, or an audit, has no use for.
OF_PRUNING = ("pruners", "sparsities", "seeds", "pattern", "calibration", "train", "finetune")


def build_spec(
    *,
    config: Path | None,
    unused: Iterable[str] = (),
    command: str = "run",
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
    device: str | None = None,
    dtype: str | None = None,
    images: str | None = None,
    backend: str | None = None,
    init: str | None = None,
    ignore_tensors: str | None = None,
    dense: str | None = None,
    batch_size: int | None = None,
    limit: int | None = None,
    pattern: str | None = None,
    results: Path | None = None,
) -> RunSpec:
    """A run's spec from a YAML file and the options, which go before it.

    Args:
        unused: Keys of the file that play no part in the command.

    Raises:
        InputError: The first thing wrong, in one line.
    """
    from harness.spec import parse_spec

    content = read_config(config, unused, command) if config else {}
    parts = {
        "pruners": pruner,
        "sparsities": sparsity,
        "seeds": seed,
        "tasks": tasks,
        "pattern": pattern,
        "data": data,
        "calibration": calibration,
        "train": train,
        "finetune": finetune,
    }
    content |= {key: _parsers()[key](text) for key, text in given(**parts).items()}
    of_model = {"images": images, "backend": backend, "ignore_tensors": ignore_tensors}
    parsed = {key: _model_parsers()[key](text) for key, text in given(**of_model).items()}
    plain = given(name=model, device=device, dtype=dtype, init=init, dense=dense)
    whole = {"name": DEFAULT_MODEL, **content.get("model", {}), **plain, **parsed}
    content["model"] = {**whole, "device": resolve_device(whole.get("device", "auto"))}
    if limit is not None:
        if not content.get("tasks"):
            raise InputError(f"--limit {limit}: goes with --tasks; there are none to cut")
        content["tasks"] = [{**task, "limit": limit} for task in content["tasks"]]
    if include_path is not None:
        part = content.get("data", {})
        folders = {**part.get("folders", {}), "lm_eval": include_path}
        content["data"] = {**part, "folders": folders}
    if pattern is not None and sparsity is None:
        content.pop("sparsities", None)
    content |= given(batch_size=batch_size, results=results)
    cache = {} if "HARNESS_CACHE" not in os.environ else {"cache": cache_folder()}
    content = {"results": RESULTS, "cache": cache_folder(), **content, **cache}
    return parse_spec(_with_fixed_sparsity(content), CALLED)


def given(**options: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {key: value for key, value in options.items() if value is not None}


def _with_fixed_sparsity(content: dict[str, Any]) -> dict[str, Any]:
    """A pattern says the sparsity where nothing else does."""
    pattern = content.get("pattern")
    if not isinstance(pattern, dict) or "sparsities" in content:
        return content
    keep, of = pattern.get("keep"), pattern.get("of")
    if not (isinstance(keep, int) and isinstance(of, int) and 0 < keep < of):
        return content  # said by the spec
    return {**content, "sparsities": [1 - keep / of]}


def read_config(path: Path, unused: Iterable[str] = (), command: str = "run") -> dict[str, Any]:
    """A YAML file of a run, sound by itself; its parts may stand in the notation of the options.

    Args:
        unused: Keys that play no part in the command.

    Raises:
        InputError: It is missing or no YAML mapping, or something in it is wrong.
    """
    from harness.cli.config_file import read_mapping, refuse_unused
    from harness.spec import parse_spec

    content = read_mapping(path)
    refuse_unused(path, content, unused, command)
    try:
        if isinstance(content.get("model"), str):
            content["model"] = {"name": content["model"]}
        _expand(content, _parsers())
        if isinstance(content.get("model"), dict):
            _expand(content["model"], _model_parsers())
        model = content.get("model", {})
        named = {"name": DEFAULT_MODEL, **model} if isinstance(model, dict) else model
        whole = {"pruners": [{"recipe": "dense"}], **content, "model": named}
        parse_spec(_with_fixed_sparsity(whole))
    except InputError as error:
        raise InputError(f"--config {path}: {error}") from None
    return content


def _expand(content: dict[str, Any], parsers: dict[str, Callable[[str], Any]]) -> None:
    """Turn notations into what they stand for; a single number or text is a list of one."""
    from harness import notation

    for key, parse in parsers.items():
        written = content.get(key)
        if isinstance(written, str):
            content[key] = parse(written)
        elif key in ("sparsities", "seeds") and isinstance(written, int | float):
            content[key] = [written]
        if content.get(key) is None:
            content.pop(key, None)
    for key, parse_one in (("pruners", notation.parse_pruner), ("tasks", notation.parse_task)):
        if key in parsers and isinstance(content.get(key), list):
            content[key] = [parse_one(i) if isinstance(i, str) else i for i in content[key]]


def _parsers() -> dict[str, Callable[[str], Any]]:
    """Parts of a spec in the notation of their options."""
    from harness import notation

    return {
        "pruners": notation.parse_pruners,
        "sparsities": lambda text: notation.split_list(text, notation.parse_number, "--sparsity"),
        "seeds": lambda text: notation.split_list(text, notation.parse_whole, "--seed"),
        "tasks": lambda text: notation.split_list(text, notation.parse_task, "--tasks"),
        "pattern": notation.parse_pattern,
        "data": notation.parse_data,
        "calibration": notation.parse_calibration,
        "train": notation.parse_train,
        "finetune": notation.parse_finetune,
    }


def _model_parsers() -> dict[str, Callable[[str], Any]]:
    """Parts of a model's spec in the notation of their options."""
    from harness import notation

    return {
        "images": notation.parse_images,
        "ignore_tensors": notation.parse_patterns,
        "backend": _parse_backend,
    }


def _parse_backend(text: str) -> dict[str, Any]:
    """``NAME`` or ``NAME=ENVIRONMENT``."""
    name, equals, environment = text.partition("=")
    if not name or (equals and not environment):
        raise InputError(f"--backend {text!r} is not NAME or NAME=ENVIRONMENT")
    return {
        "name": name,
        "environment": environment_of(name, Path(environment) if equals else None),
    }


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
