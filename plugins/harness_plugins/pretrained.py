"""Hugging Face folders: weights, tokenizer and image processor, every fault told in one line.

Nothing here reaches for the network: a hub id works when its files are in the local cache. Code in
a folder is never run.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from harness.plugin import (
    CheckpointError,
    Generation,
    InputError,
    ModelSpec,
    Sample,
    read_widened,
)
from harness_plugins.random_weights import draw_model, make_tokenizer
from harness_plugins.torchvision_cpu import mend_torchvision
from harness_plugins.weight_files import refuse_files, shipped

#: A folder with a tokenizer has one of these.
TOKENIZERS = ("tokenizer_config.json", "tokenizer.json", "tokenizer.model", "vocab.txt")
#: Keys of a config, tokenizer or processor that say where it came from, not what it does.
PROVENANCE = frozenset(
    """
    _name_or_path name_or_path transformers_version dtype torch_dtype architectures _commit_hash
    _from_model_config is_local local_files_only trust_remote_code backend tokenizer_class
    processor_class image_processor_type
    """.split()
)


def load_weights(model_class: Any, folder: str, spec: ModelSpec) -> Any:
    """Read safetensors into a model of that class, in the dtype and on the device of the spec.

    A folder of a shrunken model gives the full shapes, with zeros for removed units. Where the spec
    asks for random weights, none are read.

    Raises:
        CheckpointError: The file is missing or corrupt, or its tensors are not the model's.
    """
    mend_torchvision()
    if spec.init == "random":
        return draw_model(model_class, load_config(folder), spec)
    refuse_files(folder)
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what its report of a load says is told below, in one line
    try:
        tensors = read_widened(Path(folder))
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
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{folder}: cannot read the weights ({_reason(error)})") from None
    _refuse_gaps(folder, report)
    return model.to(spec.device).eval()


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
    raise CheckpointError(f"{folder}: transformers has none of {named}")


def load_config(folder: str) -> Any:
    """The folder's config, as transformers reads it.

    Raises:
        CheckpointError: It cannot be read.
    """
    with refusing(folder, "the config"):
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _refuse_gaps(folder: str, report: Mapping[str, Any]) -> None:
    for kind in ("missing", "unexpected"):
        found = sorted(str(key) for key in report.get(f"{kind}_keys", ()))
        if found:
            raise CheckpointError(f"{folder}: {len(found)} {kind} tensors, first {found[0]}")
    for name, stored, wanted in sorted(report.get("mismatched_keys", ())):
        raise CheckpointError(f"{folder}: {name} is {list(stored)}, the model's is {list(wanted)}")


@contextmanager
def refusing(folder: str, part: str) -> Iterator[None]:
    """Tell in one line why a part of a folder cannot be read.

    Raises:
        CheckpointError: It is missing or broken, or code that comes with it would have to be run.
    """
    mend_torchvision()
    from huggingface_hub.errors import StrictDataclassError

    try:
        yield
    except (OSError, ValueError, ImportError, StrictDataclassError) as error:
        if "trust_remote_code" in str(error):
            raise CheckpointError(
                f"{folder}: {part} needs code that comes with it, which is never run; "
                f"transformers' own classes or an installed plugin's are needed"
            ) from None
        raise CheckpointError(f"{folder}: cannot read {part} ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """The first sentence of an error: a line, or two where the first ends in a colon."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])


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
    return {name: path.read_text(encoding="utf-8") for name, path in shipped(folder, names).items()}


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


def identity_files(model: Any, tokenizer: Any = None, processor: Any = None) -> dict[str, str]:
    """What was loaded beside the weights, as text, without what tells its origin.

    The config with the class that was made of it, how it generates unless told otherwise, the
    tokenizer with its chat template, the image processor.
    """
    generating = {
        name: part.generation_config.to_dict()
        for name, part in model.named_modules()
        if getattr(part, "generation_config", None) is not None
    }
    files = {
        "config": _text({"class": type(model).__name__, **model.config.to_dict()}),
        "generation": _text(generating),
    }
    if tokenizer is not None:
        files["tokenizer"] = tokenizer_text(tokenizer)
    if processor is not None:
        files["images"] = _text({"class": type(processor).__name__, **processor.to_dict()})
    return files


def tokenizer_text(tokenizer: Any) -> str:
    """What the tokenizer does: its rules or, without a fast backend, its files; its settings."""
    if hasattr(tokenizer, "backend_tokenizer"):
        rules = [str(tokenizer.backend_tokenizer.to_str())]
    else:
        with TemporaryDirectory() as folder:
            tokenizer.save_vocabulary(folder)
            rules = [path.read_bytes().hex() for path in sorted(Path(folder).iterdir())]
    settings = {k: v for k, v in tokenizer.init_kwargs.items() if not k.endswith("_file")}
    content = {
        "class": type(tokenizer).__name__,
        "rules": rules,
        "settings": settings,
        "special": tokenizer.special_tokens_map,
        "template": tokenizer.chat_template,
    }
    return _text(content)


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(_plain(content), sort_keys=True, default=str)


def _plain(content: Any) -> Any:
    """Drop provenance from nested configs too."""
    if isinstance(content, Mapping):
        return {str(k): _plain(v) for k, v in content.items() if k not in PROVENANCE}
    return content


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
        f"lists in it: {', '.join(lists) or 'none'}"
    )
