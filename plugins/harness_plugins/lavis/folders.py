"""LAVIS's checkpoints to our model folders and back.

A folder made from a checkpoint has a subfolder ``lavis`` with what our class does without: the
checkpoint's list of tensors, and those that have no place in ours. A model that was pruned from it
is exported on that base.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from harness.plugin import CheckpointError, InputError, new_folder
from harness_plugins.lavis.architecture import Sections
from harness_plugins.lavis.checkpoint import (
    StateDict,
    read_config,
    read_folder,
    read_safetensors,
    read_sources,
    separate,
    write_pickle,
)
from harness_plugins.lavis.convert import Converted, from_lavis, recognised, tensor_of, to_lavis
from harness_plugins.lavis.names import Kind, kind_of_folder
from harness_plugins.pretrained import load_tokenizer

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
MANIFEST, BESIDE = "lavis/manifest.json", "lavis/beside.safetensors"
#: Keys of a config that say nothing about the architecture; LAVIS sets the activation itself.
NOT_SETTINGS = ("architectures", "dtype", "torch_dtype", "_name_or_path", "dense_act_fn")


def import_checkpoint(
    sources: Sequence[Path], folder: Path, *, tokenizer: Path | None, given: Sections
) -> str:
    """Make a model folder of a checkpoint.

    Args:
        sources: See `read_sources`.
        folder: New or empty.
        tokenizer: Folder of the tokenizer: of the language model, for the other kinds BERT's.
            None = the one in the language model's folder among the sources.
        given: Settings that shapes do not tell, per section of transformers' config.

    Returns:
        What was made, in one line.

    Raises:
        CheckpointError: A source cannot be read, or lacks a part of the model.
        InputError: Something that a checkpoint does not tell was not given.
    """
    language = next((source for source in sources if source.is_dir()), None)
    if tokenizer is None and language is None:
        raise InputError("LAVIS's checkpoints have no tokenizer; give its folder by --tokenizer")
    state = read_sources(sources)
    words = load_tokenizer(str(tokenizer or language))
    if language is not None:
        own = {k: v for k, v in read_config(language).items() if k not in NOT_SETTINGS}
        given = {**given, "text_config": {**own, **given.get("text_config", {})}}
    kind = recognised(state.tensors)
    tokens = _tokens(kind, len(tensor_of(state.tensors, kind.vocabulary, kind)), words)
    converted = from_lavis(state.tensors, given, tokens)
    with new_folder(folder) as made:
        _write_model(made, converted, words)
        _write_base(made, converted, state)
    matrices = len(converted.tensors)
    return f"{converted.kind.name}: {matrices} tensors as {converted.kind.architecture}"


def export_checkpoint(folder: Path, target: Path, *, base: Path | None) -> list[str]:
    """Write a model folder as a checkpoint that LAVIS loads.

    Args:
        base: Folder that `import_checkpoint` made of the checkpoint that the model comes from; the
            folder itself may be one. Without a base the tensors that our class does without are
            left out, and LAVIS keeps those of its own initialisation.

    Returns:
        Notes, one a line.

    Raises:
        CheckpointError: The folder is of no architecture that LAVIS has.
    """
    tensors = read_folder(folder)
    [architecture] = read_config(folder).get("architectures") or [""]
    kind = kind_of_folder(architecture, tensors)
    if kind is None:
        raise CheckpointError(f"{folder}: LAVIS has no {architecture or 'such model'}")
    made, notes = to_lavis(kind, tensors)
    root = base or (folder if (folder / MANIFEST).is_file() else None)
    if root is None:
        write_pickle(target, StateDict(made, is_wrapped=True))
        return [*notes, f"without a base: {', '.join(kind.beside)} left out"]
    found = _read_base(root, kind)
    made |= found.beside
    for name in found.names:
        if name not in made:
            raise CheckpointError(f"{root} lists {name}, which {folder} does not have")
    for name in sorted(made.keys() - set(found.names) - {*kind.copied, *kind.tied}):
        raise CheckpointError(f"{folder} has {name}, which {root} does not list")
    write_pickle(target, StateDict({name: made[name] for name in found.names}, found.is_wrapped))
    return notes


def _tokens(kind: Kind, rows: int, tokenizer: Any) -> dict[str, int]:
    """What of the config the tokenizer decides; LAVIS's own tokens are added to BERT's.

    Args:
        rows: Of the table of token embeddings.
    """
    if kind.architecture == "Blip2ForConditionalGeneration":
        return {"image_token_index": _image_token(tokenizer, rows)}
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    if not kind.has_eva:
        tokenizer.add_tokens(["[ENC]"], special_tokens=True)
    if len(tokenizer) > rows:
        raise CheckpointError(
            f"the tokenizer has {len(tokenizer)} tokens with LAVIS's own, {kind.vocabulary} {rows}"
        )
    if kind.has_eva:
        return {}
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }


def _image_token(tokenizer: Any, rows: int) -> int:
    """The place holder of image tokens, or the first row of the table that no token uses."""
    known = tokenizer.get_vocab()
    found = int(known.get("<image>", max(known.values()) + 1))
    if found >= rows:
        raise CheckpointError(f"the tokenizer uses all {rows} rows; none is left for <image>")
    return found


def _write_model(folder: Path, converted: Converted, tokenizer: Any) -> None:
    from transformers import BlipImageProcessorPil, GenerationConfig

    config = converted.config
    config.save_pretrained(folder)
    save_file(separate(converted.tensors), folder / "model.safetensors", {"format": "pt"})
    tokenizer.save_pretrained(folder)
    side = config.vision_config.image_size
    BlipImageProcessorPil(
        size={"height": side, "width": side}, image_mean=MEAN, image_std=STD
    ).save_pretrained(folder)
    if converted.kind.name == "blip2_t5":
        text = config.text_config
        GenerationConfig(
            decoder_start_token_id=text.decoder_start_token_id,
            eos_token_id=text.eos_token_id,
            pad_token_id=text.pad_token_id,
        ).save_pretrained(folder)
    elif converted.kind.name == "blip2_opt":  # LAVIS's captions end with a line
        [*_, end] = tokenizer("\n", add_special_tokens=False).input_ids
        GenerationConfig(
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=end,
            pad_token_id=config.text_config.pad_token_id,
        ).save_pretrained(folder)


@dataclass(frozen=True)
class _Base:
    """What of a checkpoint our class does without."""

    names: Sequence[str]
    beside: Mapping[str, Tensor]
    is_wrapped: bool


def _write_base(folder: Path, converted: Converted, state: StateDict) -> None:
    (folder / MANIFEST).parent.mkdir()
    content = {
        "kind": converted.kind.name,
        "is_wrapped": state.is_wrapped,
        "names": list(state.tensors),
    }
    (folder / MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")
    save_file(separate(converted.beside), folder / BESIDE)


def _read_base(folder: Path, kind: Kind) -> _Base:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found, names, is_wrapped = content["kind"], content["names"], content["is_wrapped"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: not readable ({error})") from None
    if found != kind.name:
        raise CheckpointError(
            f"{folder} was made of a {found}, the model to export is a {kind.name}"
        )
    return _Base(names, read_safetensors(folder / BESIDE), is_wrapped)
