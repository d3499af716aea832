"""Checkpoints as LAVIS writes and reads them."""

import json
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from harness.plugin import CheckpointError, InputError, read_widened, written_whole
from harness_plugins.lavis.names import BARE_VISION, UNUSED_VISION, fits

#: Architecture of a language model's own folder -> where LAVIS's names put it.
LANGUAGE_MODELS = {"T5ForConditionalGeneration": "t5_model.", "OPTForCausalLM": "opt_model."}

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
#: Last part of the names of tensors that count or point, and are no weights.
COUNTERS = ("position_ids", "num_batches_tracked", "idx_queue", "queue_ptr")
LAYOUTS = 'a state dict, or {"model": state dict}, is wanted'


@dataclass(frozen=True)
class StateDict:
    """Tensors in LAVIS's names."""

    tensors: Mapping[str, Tensor]
    is_wrapped: bool = False
    """Whether the file holds ``{"model": tensors}``, as LAVIS's trainer writes it."""


def read_sources(sources: Sequence[Path]) -> StateDict:
    """One state dict of several files or folders; a later one goes over those before it.

    A source is LAVIS's checkpoint or ECoFLaP's, a bare EVA-CLIP checkpoint (LAVIS keeps it in a
    file of its own), or the folder of a language model.

    Raises:
        CheckpointError: One cannot be read, holds more than tensors, or contradicts another.
    """
    merged: dict[str, Tensor] = {}
    is_wrapped = False
    for source in sources:
        read = _read_language_model(source) if source.is_dir() else _read_pickle(source)
        for name, tensor in read.tensors.items():
            if name in merged and merged[name].shape != tensor.shape:
                raise CheckpointError(
                    f"{source}: {name} is {tuple(tensor.shape)}, "
                    f"{tuple(merged[name].shape)} in a source before it"
                )
            merged[name] = tensor
        is_wrapped |= read.is_wrapped
    return StateDict(merged, is_wrapped)


def _read_pickle(path: Path) -> StateDict:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        held = f"it holds a {found[1]}" if found else "it is damaged or no pickle"
        raise CheckpointError(
            f"{path}: not a pickle of plain tensors, {held}; {LAYOUTS}, and nothing else is read"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"{path}: not a readable checkpoint ({reason})") from None
    is_wrapped = isinstance(content, dict) and isinstance(content.get("model"), dict)
    tensors: Any = content["model"] if is_wrapped else content
    if not isinstance(tensors, dict) or not tensors:
        what = "an empty dict" if tensors == {} else f"a {type(tensors).__name__}"
        raise CheckpointError(f"{path}: holds {what}; {LAYOUTS}")
    for name, value in tensors.items():
        _refuse_entry(path, name, value)
    if all(_is_bare_vision(name) for name in tensors):
        used = {n: t for n, t in tensors.items() if not any(fits(n, p) for p in UNUSED_VISION)}
        return StateDict({f"visual_encoder.{name}": tensor for name, tensor in used.items()})
    return StateDict(tensors, is_wrapped)


def _refuse_entry(path: Path, name: object, value: object) -> None:
    """A state dict maps names to dense tensors of floating-point numbers; counters are integers."""
    if not isinstance(name, str):
        raise CheckpointError(f"{path}: key {name!r} is a {type(name).__name__}, not a name")
    if not isinstance(value, Tensor):
        raise CheckpointError(
            f"{path}: {name} is a {type(value).__name__}, not a tensor; {LAYOUTS}"
        )
    if value.layout != torch.strided:
        raise CheckpointError(f"{path}: {name} is {value.layout}; dense tensors are read")
    is_counter = name.rpartition(".")[2] in COUNTERS and value.dtype == torch.int64
    if value.dtype not in FLOATS and not is_counter:
        wanted = ", ".join(str(dtype).removeprefix("torch.") for dtype in FLOATS)
        seen = str(value.dtype).removeprefix("torch.")
        raise CheckpointError(f"{path}: {name} is {seen}; weights are {wanted}")


def _is_bare_vision(name: str) -> bool:
    return any(fits(name, pattern) for pattern in (*BARE_VISION, *UNUSED_VISION))


def _read_language_model(folder: Path) -> StateDict:
    [architecture] = read_config(folder).get("architectures") or [""]
    if architecture not in LANGUAGE_MODELS:
        raise CheckpointError(
            f"{folder}: is a {architecture or 'folder without architecture'}; "
            f"LAVIS's language models are {' and '.join(LANGUAGE_MODELS)}"
        )
    prefix = LANGUAGE_MODELS[architecture]
    return StateDict({f"{prefix}{name}": t for name, t in read_folder(folder).items()})


def read_config(folder: Path) -> Mapping[str, Any]:
    """A model folder's ``config.json``.

    Raises:
        CheckpointError: It is missing or not JSON.
    """
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / 'config.json'}: not readable ({error})") from None
    return dict(content)


def read_folder(folder: Path) -> dict[str, Tensor]:
    """All tensors of a model folder, those of a shrunken model in their full shapes.

    Raises:
        CheckpointError: There is no safetensors file, or one is corrupt.
    """
    widened = read_widened(folder)
    if widened is not None:
        return widened
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise CheckpointError(f"{folder}: has no model.safetensors")
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= read_safetensors(file)
    return tensors


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors of one file.

    Raises:
        CheckpointError: It is corrupt.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot read the weights ({error})") from None


def separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors of which no two share memory."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if storage in seen else tensor.contiguous()
        seen.add(storage)
    return separate


def write_pickle(path: Path, state: StateDict) -> None:
    """Write a checkpoint, in full or not at all.

    Raises:
        InputError: The file is there already.
    """
    if path.exists():
        raise InputError(f"{path}: is there already; nothing is overwritten")
    tensors = dict(state.tensors)
    with written_whole(path) as temporary:
        torch.save({"model": tensors} if state.is_wrapped else tensors, temporary)
