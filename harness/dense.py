"""The dense weights of a grid's model, to be put back between its rows."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path

import torch
from torch import nn

from harness.atomic import stored
from harness.model import tensor_bytes


class DenseWeights:
    """All parameters of a live model, byte for byte, in a file without a name.

    On disk, so that memory holds the weights once; the file is gone when the process ends.

    Raises:
        StorageError: They cannot be written.
    """

    def __init__(self, module: nn.Module, folder: Path) -> None:
        self._module = module
        with stored(folder / "dense weights"):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with its owner
            weakref.finalize(self, self._file.close)
            for parameter in module.parameters():
                self._file.write(tensor_bytes(parameter))
            self._file.flush()

    def restore(self) -> None:
        """Put all parameters back, one at a time."""
        self._file.seek(0)
        for parameter in self._module.parameters():
            read = torch.empty(parameter.shape, dtype=parameter.dtype)
            self._file.readinto(tensor_bytes(read))
            parameter.detach().copy_(read)
