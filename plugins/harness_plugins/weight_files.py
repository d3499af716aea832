"""The files that hold a model's weights, looked at before anything is read from them."""

import json
from collections.abc import Sequence
from pathlib import Path

from harness.plugin import CheckpointError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = ("F16", "BF16", "F32", "F64")
#: Ends of the names of tensors that transformers saves beside weights: positions, counters, and
#: the causal masks of GPT models, which are bits where they are not floating-point numbers.
COUNTERS = ("position_ids", "token_type_ids", "num_batches_tracked", "relative_position_index")
CAUSAL_MASKS = (".attn.bias", ".attention.bias")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pth", "model.pt")


def shipped(folder: str, names: Sequence[str]) -> dict[str, Path]:
    """Those of the files that a folder, or a hub id in the local cache, has, by name."""
    from transformers.utils import cached_file

    found = {
        name: cached_file(
            folder, name, local_files_only=True, _raise_exceptions_for_missing_entries=False
        )
        for name in names
    }
    return {name: Path(path) for name, path in found.items() if path}


def refuse_files(folder: str) -> None:
    """Weights are plain tensors in safetensors files, and floating-point numbers.

    Raises:
        CheckpointError: There are none, or only pickles, or a tensor that is no counter or mask is
            stored as something else.
    """
    from safetensors import SafetensorError, safe_open

    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{folder}: cannot read the weights ({path.name}: {error})"
            ) from None
        for name, kind in kinds.items():
            if kind not in FLOATS and not _is_beside_weights(name, kind):
                raise CheckpointError(
                    f"{path}: tensor {name} is {kind}; weights are {', '.join(FLOATS)}, and "
                    f"quantised ones have to be expanded first"
                )


def _is_beside_weights(name: str, kind: str) -> bool:
    if kind in {"BOOL", "U8"}:
        return name.endswith(CAUSAL_MASKS)
    return kind in {"I32", "I64"} and name.rpartition(".")[2] in COUNTERS


def _weight_files(folder: str) -> list[Path]:
    found = shipped(folder, (SINGLE, INDEX))
    if SINGLE in found:
        return [found[SINGLE]]
    if INDEX not in found:
        pickles = list(shipped(folder, PICKLES))
        also = f"{pickles[0]} is a pickle, which is never opened here" if pickles else ""
        raise CheckpointError(
            f"{folder}: no {SINGLE}; {also or '--init random draws weights for its config'}"
        )
    try:
        places = json.loads(found[INDEX].read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(places.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{found[INDEX]}: not readable ({error!r})") from None
    shards = shipped(folder, names)
    for name in names:
        if name not in shards:
            raise CheckpointError(f"{folder}: {name}, which {INDEX} names, is not there")
    return list(shards.values())
