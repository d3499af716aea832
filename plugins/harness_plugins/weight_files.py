"""The files that hold a model's weights, looked at before anything is read from them."""

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.plugin import CheckpointError, InputError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
ENDING = ".safetensors"
NAMED = 5
FLOATS = ("F16", "BF16", "F32", "F64")
#: Ends of the names of tensors that transformers saves beside weights: positions, counters, and
#: the causal masks of GPT models, which are bits where they are not floating-point numbers.
COUNTERS = ("position_ids", "token_type_ids", "num_batches_tracked", "relative_position_index")
CAUSAL_MASKS = (".attn.bias", ".attention.bias")
#: Ends of the names of constants that older files of GPT models hold: the score of what is masked.
CONSTANTS = (".attn.masked_bias", ".attention.masked_bias")
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


def refuse_files(folder: str, ignored: Sequence[str] = ()) -> None:
    """Weights are plain tensors in safetensors files, and floating-point numbers.

    Args:
        ignored: Patterns of names of tensors that are not read.

    Raises:
        CheckpointError: There are none, or only pickles, or a tensor that is no counter or mask is
            stored as something else.
    """
    from safetensors import SafetensorError, safe_open

    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{folder}: cannot read the weights ({path.name}: {error})"
            ) from None
        for name, kind in kinds.items():
            if _matches(name, ignored) or _is_beside_weights(name, kind):
                continue
            if kind not in FLOATS:
                raise CheckpointError(
                    f"{path}: tensor {name} is {kind}; weights are {', '.join(FLOATS)}, and "
                    f"quantised ones have to be expanded first"
                )


def _is_beside_weights(name: str, kind: str) -> bool:
    if kind in {"BOOL", "U8"}:
        return name.endswith(CAUSAL_MASKS)
    return kind in {"I32", "I64"} and name.rpartition(".")[2] in COUNTERS


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def refuse_gaps(folder: str, report: Mapping[str, Any], ignored: Sequence[str] = ()) -> None:
    """Hold what transformers reports of a load to the model: every tensor has its place.

    Constants that a model makes for itself are no fault; transformers knows others itself.

    Args:
        ignored: Patterns of names of tensors that the model does without.

    Raises:
        CheckpointError: Tensors are missing, or have no place, or another shape.
        InputError: A pattern matches nothing that could be ignored.
    """
    missing, unexpected = (
        sorted(map(str, report.get(f"{kind}_keys", ()))) for kind in ("missing", "unexpected")
    )
    for pattern in ignored:
        if not any(fnmatchcase(name, pattern) for name in unexpected):
            raise InputError(
                f"--ignore-tensors {pattern!r}: {folder} has no such tensor beside the model's; "
                f"those are {', '.join(unexpected[:NAMED]) or 'none'}"
            )
    if missing:
        raise CheckpointError(f"{folder}: {len(missing)} missing tensors, first {missing[0]}")
    left = [n for n in unexpected if not n.endswith(CONSTANTS) and not _matches(n, ignored)]
    if left:
        raise CheckpointError(
            f"{folder}: {len(left)} unexpected tensors, first {left[0]}; if the model can do "
            f"without them, say so: --ignore-tensors '{left[0].partition('.')[0]}.*'"
        )
    for name, stored, wanted in sorted(report.get("mismatched_keys", ())):
        raise CheckpointError(f"{folder}: {name} is {list(stored)}, the model's is {list(wanted)}")


def read_tensors(folder: str) -> dict[str, Any]:
    """All tensors of a folder's weight files, by name."""
    from safetensors.torch import load_file

    return {name: t for path in weight_files(folder) for name, t in load_file(path).items()}


def weight_files(folder: str) -> list[Path]:
    """The files that hold the weights: one, or the shards of an index.

    Raises:
        CheckpointError: There are none, or one of them is not there, or it is not certain which.
    """
    found = shipped(folder, (SINGLE, INDEX))
    if len(found) > 1:
        raise CheckpointError(f"{folder}: {SINGLE} and {INDEX} both say what the weights are")
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
        are_files = bool(names) and all(n.endswith(ENDING) and "/" not in n for n in names)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{found[INDEX]}: not readable ({error!r})") from None
    if not are_files:
        raise CheckpointError(f"{found[INDEX]}: shards are files of the folder, …{ENDING}")
    shards = shipped(folder, names)
    for name in names:
        if name not in shards:
            raise CheckpointError(f"{folder}: {name}, which {INDEX} names, is not there")
    return list(shards.values())
