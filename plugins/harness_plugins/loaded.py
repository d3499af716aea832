"""What families of transformers' models share, whatever their architecture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.plugin import Sample
from harness_plugins.pretrained import identity_files, read_pixels, save_folder


class Pretrained:
    """A live model with the tokenizer and the image processor of its folder, where it has them.

    A family adds its towers, its calibration loss and what the model can be asked.
    """

    def __init__(self, module: Any, *, tokenizer: Any = None, processor: Any = None) -> None:
        self.module: nn.Module = module
        self._model = module
        self._tokenizer = tokenizer
        self._processor = processor

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def prunable(self, name: str) -> bool:
        """Every linear layer of a block, unless a family knows better."""
        return True

    def token_masks(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """No padding, unless a family knows better."""
        return {}

    def files(self) -> Mapping[str, str]:
        return identity_files(self._model.config, self._tokenizer, self._processor)

    def save(self, folder: Path) -> None:
        save_folder(folder, self._model, self._tokenizer, self._processor)

    def _pixels(self, samples: Sequence[Sample]) -> Tensor:
        """The samples' images as the model takes them, (samples, 3, height, width)."""
        return read_pixels(self._processor, samples, self.module)
