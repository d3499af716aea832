"""Hugging Face folders: weights, tokenizer and image processor, every fault told in one line.

Nothing here reaches for the network: a hub id works when its files are in the local cache.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image, Resampling
from torch import Tensor, nn

from harness.plugin import (
    CheckpointError,
    Generation,
    ImageSpec,
    InputError,
    ModelSpec,
    Sample,
    read_image,
    read_widened,
)

BICUBIC = Resampling.BICUBIC
#: Keys of a config that say where it came from, not what the model is.
PROVENANCE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")


def load_weights(model_class: Any, folder: str, spec: ModelSpec) -> Any:
    """Read safetensors into a model of that class, in the dtype and on the device of the spec.

    A folder of a shrunken model gives the full shapes, with zeros for removed units.

    Raises:
        CheckpointError: The file is missing or corrupt, or its tensors are not the model's.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tensors = read_widened(Path(folder))
        source: dict[str, Any] = {"pretrained_model_name_or_path": folder}
        if tensors is not None:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            source = {
                "pretrained_model_name_or_path": None,
                "state_dict": tensors,
                "config": config,
            }
        model, report = model_class.from_pretrained(
            **source,
            dtype=getattr(torch, spec.dtype),
            attn_implementation=None if spec.attention == "auto" else spec.attention,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"{folder}: cannot read the weights ({reason})") from None
    _refuse_gaps(folder, report)
    return model.to(spec.device).eval()


def _refuse_gaps(folder: str, report: Mapping[str, Any]) -> None:
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        found = sorted(str(key) for key in report.get(kind, ()))
        if found:
            raise CheckpointError(
                f"{folder}: {len(found)} {kind.replace('_keys', '')} tensors, first {found[0]}"
            )


def load_tokenizer(folder: str) -> Any:
    """The tokenizer that the folder ships.

    Raises:
        CheckpointError: There is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"{folder}: cannot read the tokenizer ({reason})") from None


def load_image_processor(folder: str, spec: ModelSpec) -> Any:
    """The image processor of the spec, else the one the folder ships, always Pillow's.

    Pillow's, because other backends give slightly different pixels.

    Raises:
        InputError: Neither says how images are prepared.
    """
    from transformers import AutoImageProcessor

    if spec.images is not None:
        return ShortSideCrop(spec.images)
    if Path(folder).is_dir() and not (Path(folder) / "preprocessor_config.json").is_file():
        raise InputError(
            f"{folder} has no preprocessor_config.json; say how images are prepared, "
            f'e.g. --images "short=256 crop=224 mean=0.5 std=0.5"'
        )
    try:
        return AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"{folder}: cannot read the image processor ({reason})") from None


class ShortSideCrop:
    """Short side resized bicubically, aspect ratio kept to the nearest pixel, square cropped."""

    def __init__(self, images: ImageSpec) -> None:
        self._spec = images

    def __call__(self, images: Sequence[Image], return_tensors: str) -> dict[str, Any]:
        """Pixels (images, 3, crop, crop), float32."""
        mean, std = (np.array(part, dtype=np.float32) for part in (self._spec.mean, self._spec.std))
        pixels = [(self._square(image) - mean) / std for image in images]
        return {"pixel_values": np.stack(pixels).transpose(0, 3, 1, 2)}

    def _square(self, image: Image) -> Any:
        scale = self._spec.short / min(image.size)
        width, height = (max(self._spec.short, round(side * scale)) for side in image.size)
        resized = image.resize((width, height), resample=BICUBIC)
        left, top = (width - self._spec.crop) // 2, (height - self._spec.crop) // 2
        square = resized.crop((left, top, left + self._spec.crop, top + self._spec.crop))
        return np.asarray(square, dtype=np.float32) / np.float32(255)

    def to_dict(self) -> dict[str, Any]:
        return self._spec.model_dump()


def read_pixels(processor: Any, samples: Sequence[Sample], module: nn.Module) -> Tensor:
    """Pixels (samples, 3, height, width) on the module's device in its dtype.

    Raises:
        DataError: An image is missing or broken; it is named.
    """
    images = []
    for sample in samples:
        if sample.image is None:
            raise InputError(f"sample {sample.id} has no image, and the model needs one")
        images.append(read_image(sample.image))
    pixels = processor(images=images, return_tensors="np")["pixel_values"]
    parameter = next(module.parameters())
    return torch.from_numpy(np.asarray(pixels)).to(parameter.device, parameter.dtype)


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


def pad(rows: Sequence[Sequence[int]], value: int, device: torch.device) -> Tensor:
    """Rows of token ids, right-padded to the longest (rows, seq)."""
    length = max(map(len, rows))
    return torch.tensor(
        [[*row, *[value] * (length - len(row))] for row in rows], dtype=torch.long, device=device
    )


def identity_files(config: Any, tokenizer: Any = None, processor: Any = None) -> dict[str, str]:
    """The text of config, tokenizer and image processor without what tells their origin."""
    content = {key: value for key, value in config.to_dict().items() if key not in PROVENANCE}
    files = {"config": json.dumps(_plain(content), sort_keys=True, default=str)}
    if tokenizer is not None:
        files["tokenizer"] = _tokenizer_text(tokenizer)
    if processor is not None:
        settings = {k: v for k, v in processor.to_dict().items() if "processor" not in k}
        files["images"] = json.dumps(settings, sort_keys=True, default=str)
    return files


def _tokenizer_text(tokenizer: Any) -> str:
    """What the tokenizer does; those without a fast backend are known by their vocabulary."""
    if hasattr(tokenizer, "backend_tokenizer"):
        return str(tokenizer.backend_tokenizer.to_str())
    content = {"kind": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}
    return json.dumps(content, sort_keys=True)


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
        if isinstance(found, nn.ModuleList):
            return [(f"{path}.{index}", block) for index, block in enumerate(found)]
    raise InputError(f"{type(module).__name__} has its blocks at none of {', '.join(paths)}")
