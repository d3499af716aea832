"""Hugging Face folders: weights, tokenizer and image processor, every fault told in one line.

Nothing here reaches for the network: a hub id works when its files are in the local cache. Code in
a folder is never run.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.plugin import (
    CheckpointError,
    Generation,
    HarnessError,
    InputError,
    ModelSpec,
    Sample,
    read_widened,
)
from harness_plugins.adapters import find_adapter, merge_adapter
from harness_plugins.random_weights import draw_model, make_tokenizer
from harness_plugins.torchvision_cpu import mend_torchvision
from harness_plugins.transformers_logging import join_logging
from harness_plugins.weight_files import read_tensors, refuse_files, refuse_gaps, shipped

#: A folder with a tokenizer has one of these.
TOKENIZERS = ("tokenizer_config.json", "tokenizer.json", "tokenizer.model", "vocab.txt")
GENERATION = "generation_config.json"
GUIDE = "docs/adding_a_model_family.md shows how to add a family"


def load_weights(model_class: Any, folder: str, spec: ModelSpec) -> Any:
    """Read safetensors into a model of that class, in the dtype and on the device of the spec.

    A folder of a shrunken model gives the full shapes, with zeros for removed units. Where the spec
    asks for random weights, none are read.

    Raises:
        CheckpointError: The file is missing or corrupt, its tensors are not the model's, or an
            adapter beside it cannot be merged.
    """
    mend_torchvision()
    if spec.init == "random":
        return draw_model(model_class, load_config(folder), spec)
    adapter = find_adapter(folder)
    refuse_files(folder, spec.ignore_tensors)
    _refuse_unreadable_generation(folder)
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what its report of a load says is told below, in one line
    try:
        tensors = read_widened(Path(folder))
        if tensors is None and adapter is not None:
            tensors = read_tensors(folder)  # else transformers attaches the adapter unmerged
        source: dict[str, Any] = {"pretrained_model_name_or_path": folder}
        if tensors is not None:
            source = {
                "pretrained_model_name_or_path": None,
                "state_dict": tensors,
                "config": load_config(folder),
            }
        model, report = model_class.from_pretrained(
            **source,
            dtype=getattr(torch, spec.dtype),
            attn_implementation=None if spec.attention == "auto" else spec.attention,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # so that the report names them
            output_loading_info=True,
        )
    except CheckpointError:
        raise
    except Exception as error:  # what transformers raises of a config or file that makes no sense
        raise CheckpointError(f"{folder}: cannot read the weights ({_reason(error)})") from error
    refuse_gaps(folder, report, spec.ignore_tensors)
    if tensors is not None:
        _take_generation_settings(folder, model)
    if adapter is not None:
        model = merge_adapter(model, adapter)
    return model.to(spec.device).eval()


def _refuse_unreadable_generation(folder: str) -> None:
    """Refuse a broken `GENERATION`, which transformers would do without."""
    for name, text in companions(folder, [GENERATION]).items():
        with refusing(folder, name):
            if not isinstance(json.loads(text), dict):
                raise CheckpointError(f"{folder}: {name} is no JSON object")


def _take_generation_settings(folder: str, model: Any) -> None:
    """What transformers reads beside the weights where it reads the files itself."""
    if model.can_generate() and shipped(folder, [GENERATION]):
        with refusing(folder, GENERATION):
            from transformers import GenerationConfig

            model.generation_config = GenerationConfig.from_pretrained(
                folder, local_files_only=True
            )


def load_transformer(
    folder: str,
    spec: ModelSpec,
    *,
    otherwise: str = "",
    own: Mapping[str, Callable[[], Any]] | None = None,
) -> Any:
    """`load_weights` into the class that the folder's config names.

    Args:
        otherwise: The class of transformers, if the config names none.
        own: Architectures that transformers lacks, and what gives their classes.

    Raises:
        CheckpointError: There is no such class, or the weights do not fit it.
    """
    config = load_config(folder)
    import transformers

    named = config.architectures
    for name in named or [otherwise]:
        if own and name in own:
            return load_weights(own[name](), folder, spec)
        if hasattr(transformers, name):
            return load_weights(getattr(transformers, name), folder, spec)
    raise CheckpointError(f"{folder}: transformers has none of {named}; {GUIDE}")


def load_config(folder: str) -> Any:
    """The folder's config, as transformers reads it.

    Raises:
        CheckpointError: It cannot be read.
    """
    with refusing(folder, "the config"):
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


@contextmanager
def refusing(folder: str, part: str) -> Iterator[None]:
    """Tell in one line why a part of a folder cannot be read.

    Raises:
        CheckpointError: It is missing or broken, or code that comes with it would have to be run.
    """
    mend_torchvision()
    join_logging()
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:  # what transformers raises of a file that makes no sense
        if "trust_remote_code" in str(error):
            raise CheckpointError(
                f"{folder}: {part} needs code that comes with it, which is never run; "
                f"transformers' own classes or an installed plugin's are needed"
            ) from None
        raise CheckpointError(f"{folder}: cannot read {part} ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """The first sentence of an error: a line, or two where the first ends in a colon.

    Of what Python raises by itself, its kind too: a message like ``'hidden_size'`` says little.
    """
    lines = [line.strip() for line in str(error).strip().splitlines()]
    told = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    if isinstance(error, OSError | ImportError | ValueError) and told:
        return told
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def load_tokenizer(
    folder: str, spec: ModelSpec | None = None, *, subfolder: str = "", section: str = ""
) -> Any:
    """The tokenizer that the folder ships; if the spec asks for random weights, it may ship none.

    Args:
        subfolder: Where in the folder the tokenizer is.
        section: Part of the config that says what a tokenizer made in its place has to fit.

    Raises:
        CheckpointError: There is none, or it cannot be read.
    """
    if spec is not None and spec.init == "random":
        inside = f"{subfolder}/" if subfolder else ""
        if not shipped(folder, [inside + name for name in TOKENIZERS]):
            return make_tokenizer(load_config(folder), section)
    with refusing(folder, "the tokenizer"):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(
            folder, subfolder=subfolder, local_files_only=True, trust_remote_code=False
        )


def companions(folder: str, names: Sequence[str]) -> dict[str, str]:
    """Text of those of the files that the folder has, by name."""
    found: dict[str, str] = {}
    for name, path in shipped(folder, names).items():
        with refusing(folder, name):
            found[name] = path.read_text(encoding="utf-8")
    return found


def target_text(sample: Sample) -> str:
    """What a calibration sample says in the end.

    Raises:
        InputError: It has no text.
    """
    if not isinstance(sample.target, str):
        raise InputError(f"calibration sample {sample.id} has target {sample.target!r}, not a text")
    return sample.target


def generation_arguments(generation: Generation) -> dict[str, Any]:
    """What transformers' ``generate`` is called with; never any sampling."""
    return {
        "do_sample": False,
        "num_beams": generation.num_beams,
        "max_new_tokens": generation.max_new_tokens,
        "min_length": generation.min_length,
        "length_penalty": generation.length_penalty,
    }


def pad(
    rows: Sequence[Sequence[int]], value: int, device: torch.device, *, left: bool = False
) -> Tensor:
    """Rows of token ids (rows, seq), padded to the longest on the right, or on the left."""
    length = max(map(len, rows))
    fills = [[value] * (length - len(row)) for row in rows]
    pairs = zip(fills, rows, strict=True) if left else zip(rows, fills, strict=True)
    return torch.tensor(
        [[*first, *second] for first, second in pairs], dtype=torch.long, device=device
    )


def save_folder(folder: Path, model: Any, *parts: Any) -> None:
    """Write model, tokenizer and processor as a Hugging Face folder."""
    model.save_pretrained(folder)
    for part in parts:
        if hasattr(part, "save_pretrained"):  # an ImageSpec is given again when loading
            part.save_pretrained(folder)


def blocks_at(module: nn.Module, *paths: str) -> list[tuple[str, nn.Module]]:
    """(name, block) of the first of the `paths` that the module has.

    Raises:
        InputError: It has none of them.
    """
    for path in paths:
        found: Any = module
        for step in path.split("."):
            found = getattr(found, step, None)
        if isinstance(found, nn.ModuleList | nn.Sequential):
            return [(f"{path}.{index}", block) for index, block in enumerate(found)]
    lists = [name for name, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    raise InputError(
        f"{type(module).__name__} has its blocks at none of {', '.join(paths)}; "
        f"lists in it: {', '.join(lists) or 'none'}; {GUIDE}"
    )
