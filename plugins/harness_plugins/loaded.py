"""What families of transformers' models share, whatever their architecture."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn

from harness.plugin import Batch, InputError, Sample, Tower, read_shown
from harness_plugins.identity_files import identity_files
from harness_plugins.images import blank, naming_image, prepare, sizes_at
from harness_plugins.pretrained import pad, save_folder

#: Where configs say how many tokens a text may have.
LENGTHS = ("max_position_embeddings", "max_target_positions")


class Pretrained:
    """A live model with the tokenizer and the image processor of its folder, where it has them.

    A family adds its towers, its calibration loss and what the model can be asked.
    """

    towers: Sequence[Tower]

    def __init__(self, module: Any, *, tokenizer: Any = None, processor: Any = None) -> None:
        self.module: nn.Module = module
        self._model = module
        self._tokenizer = tokenizer
        self._processor = processor
        if tokenizer is not None:
            _refuse_larger_tokenizer(tokenizer, module)

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def prunable(self, name: str) -> bool:
        """Every linear layer of a block, unless a family knows better."""
        return True

    def token_masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """No padding, unless a family knows better."""
        return {}

    @property
    def _longest(self) -> int:
        """Most tokens of a text; without a number in the config, as many as there are."""
        config = self._model.config.get_text_config()
        found = (getattr(config, name, None) for name in LENGTHS)
        return next((int(length) for length in found if length and length > 0), sys.maxsize)

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        """The text in every tower, unless a family knows better."""
        return {tower.name: min(text, self._longest) for tower in self.towers}

    def files(self) -> Mapping[str, str]:
        return identity_files(self._model, self._tokenizer, self._processor)

    def save(self, folder: Path) -> None:
        save_folder(folder, self._model, self._tokenizer, self._processor)

    def _ids(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids of a text, with the tokenizer's special tokens or without."""
        ids = self._tokenizer(text, add_special_tokens=special, verbose=False).input_ids
        return list(ids)

    def _cut_ids(self, text: str, length: int) -> list[int]:
        """Ids of a text; one that is too long loses words, not its last token, which ends it."""
        ids = self._ids(text)
        return ids if len(ids) <= length else [*ids[: length - 1], ids[-1]]

    def _padded(
        self, rows: Sequence[Sequence[int]], value: int, *, left: bool = False
    ) -> dict[str, Tensor]:
        """Token ids, padded on the right or left, and which are real, both (rows, tokens)."""
        return {
            "input_ids": pad(rows, value, self.device, left=left),
            "attention_mask": pad([[1] * len(row) for row in rows], 0, self.device, left=left),
        }


def _refuse_larger_tokenizer(tokenizer: Any, module: Any) -> None:
    """Tokens that were added later may have no embedding, as long as nothing says them.

    Raises:
        InputError: One of the vocabulary has none.
    """
    tokens, rows = tokenizer.vocab_size, module.config.get_text_config().vocab_size
    if tokens > rows:
        raise InputError(
            f"model {tokenizer.name_or_path}: its tokenizer has {tokens:,} tokens, the model "
            f"embeds {rows:,}; give the folder the tokenizer that the model was trained with"
        )


class Seeing(Pretrained):
    """A model that is shown images."""

    #: Arguments of the image processor, besides the images.
    _sizes: Mapping[str, Any] = {}
    #: Arguments of the vision tower, besides the pixels.
    _positions: Mapping[str, Any] = {}
    #: Tokens in the vision tower beside those of patches: the class's.
    _beside_patches: int = 1

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        return {**super().tokens_read(text, image), "vision": self._seen_tokens(image)}

    def _seen_tokens(self, image: tuple[int, int]) -> int:
        """Tokens that the vision tower reads of an image of that width and height."""
        config = self._model.config
        patch = getattr(config, "vision_config", config).patch_size
        height, width = self._prepared([blank(image)]).shape[-2:]
        return int(height // patch) * int(width // patch) + self._beside_patches

    def _pixels(self, samples: Sequence[Sample]) -> Tensor:
        """The samples' images as the model takes them, (samples, 3, height, width)."""
        return self._named(samples, [read_shown(sample) for sample in samples])

    def _named(self, samples: Sequence[Sample], images: Sequence[Image]) -> Tensor:
        """The images prepared, one of each sample; a sample whose image cannot be is named."""
        try:
            return self._prepared(images)
        except Exception:
            for sample, image in zip(samples, images, strict=True):
                with naming_image(sample, image):
                    self._prepared([image])
            raise

    def _prepared(self, images: Sequence[Image]) -> Tensor:
        return prepare(self._processor, images, self.module, **self._sizes)


class Resizing(Seeing):
    """A model whose vision tower interpolates its positions to images of another size."""

    @contextmanager
    def images_at(self, side: int) -> Iterator[None]:
        """Inside the context, images are prepared `side` pixels wide and high."""
        before = self._sizes, self._positions
        self._sizes = sizes_at(self._processor, side)
        self._positions = {"interpolate_pos_encoding": True}
        try:
            yield
        finally:
            self._sizes, self._positions = before
