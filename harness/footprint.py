"""What a model weighs and what each stage is expected to hold, from its config alone.

The model is built on the meta device: shapes without values. Counted is what grows with the
model: weights, what the block walk keeps of the calibration set, sums over inputs, and the working
copies of the largest layer or block. The interpreter and its libraries come on top on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from harness.model import Model, load_model
from harness.plugin import CountsTokens, LayerInfo, Tower
from harness.plugin.manager import Plugins
from harness.pruning import BATCH
from harness.spec import ModelSpec, checked

FLOAT32 = 4
DTYPES: Mapping[str, int] = {"float32": FLOAT32, "bfloat16": 2}


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the stages are given."""

    samples: int = 128
    """Calibration samples."""
    tokens: int = 128
    """Tokens of a text."""
    image: tuple[int, int] = (640, 480)
    """Width and height of an image; the model's family says how many tokens that makes."""
    batch_size: int = 32
    """Items per batch of an evaluation."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A model's sizes."""

    model: Model
    work: Work

    @property
    def weights(self) -> int:
        """Weights and persistent buffers, tied ones once."""
        module = self.model.loaded.module
        return sum(tensor.numel() for tensor in (*module.parameters(), *module.buffers()))

    @property
    def prunable(self) -> int:
        return sum(layer.numel for layer in self.model.layers)

    def layers_of(self, tower: Tower) -> list[LayerInfo]:
        return [layer for layer in self.model.layers if layer.tower == tower.name]

    def peaks(self, width: int) -> dict[str, int]:
        """Stage -> expected peak in bytes, with weights of so many bytes each."""
        weights, layer = self.weights * width, self._largest_layer
        walk = weights + self._walk_keeps(width) + self._pass(BATCH, width)
        masks = self.prunable // 8
        grams = max(sum(FLOAT32 * i.shape[1] ** 2 for i in block) for block in self._blocks())
        gram = FLOAT32 * max(i.shape[1] for i in self.model.layers) ** 2
        outputs = self._outputs(self.model.towers, width)
        return {
            "load": weights + self._largest_tensor * width,
            "calibrate, walk": walk,
            # The layer as it was, twice; noise and its product.
            "score, zeroth order": weights + layer * 2 * (width + FLOAT32) + outputs
            + self._pass(1, width),
            # A block's gradients, with its activations; weight, gradient and score of one layer.
            "score, first order": weights + self._largest_block * width + layer * 3 * FLOAT32
            + outputs + self._pass(1, width) + self._graph(width),
            # Weight, score and their sorted copy; three masks.
            "prune, wanda": walk + masks + layer * (4 * FLOAT32 + 3),
            # A matrix (in, in) per layer of a block, four more to invert one; the weight twice,
            # its errors and mask.
            "prune, sparsegpt": walk + masks + grams + 4 * gram
            + layer * (3 * FLOAT32 + 1),
            # Masks as bits; of one layer as bytes, with three comparisons.
            "verify": weights + masks + 4 * layer,
            # Masks as bits, and once more to be written; weights are written from where they are.
            "file, save": weights + 2 * masks + layer,
            # Keys and values of the tower that says the answer.
            "evaluate": weights + self._pass(self.work.batch_size, width)
            + 2 * self.work.batch_size * self._outputs([self.model.towers[-1]], width),
        }  # fmt: skip

    def tokens_of(self, tower: Tower) -> int:
        """Tokens that a tower reads of one sample."""
        return self._tokens.get(tower.name, self.work.tokens)

    @cached_property
    def _tokens(self) -> Mapping[str, int]:
        loaded = self.model.loaded
        if not isinstance(loaded, CountsTokens):
            return {}
        return loaded.tokens_read(self.work.tokens, self.work.image)

    @property
    def _largest_layer(self) -> int:
        return max(layer.numel for layer in self.model.layers)

    @property
    def _largest_tensor(self) -> int:
        return max(tensor.numel() for tensor in self.model.loaded.module.parameters())

    @property
    def _largest_block(self) -> int:
        return max(sum(layer.numel for layer in block) for block in self._blocks())

    def _blocks(self) -> Iterator[list[LayerInfo]]:
        for tower in self.model.towers:
            for index in range(len(tower.blocks)):
                if layers := list(self.model.layers_of(tower.name, index)):
                    yield layers

    def _width_of(self, tower: Tower) -> int:
        """Width of a tower's hidden states: what most of its layers read."""
        inputs = [layer.shape[1] for layer in self.layers_of(tower)]
        return max(set(inputs), key=inputs.count) if inputs else 0

    def _states(self, tower: Tower, width: int) -> int:
        """Hidden states of one sample."""
        return self.tokens_of(tower) * self._width_of(tower) * width

    def _walk_keeps(self, width: int) -> int:
        """Of one tower and all samples, what its blocks read and return, and the states crossed."""
        by_name = {tower.name: tower for tower in self.model.towers}
        kept = [
            2 * self._states(tower, width)
            + (self._states(by_name[tower.cross_stream], width) if tower.cross_stream else 0)
            for tower in self.model.towers
        ]
        return self.work.samples * max(kept)

    def _outputs(self, towers: Sequence[Tower], width: int) -> int:
        """What all blocks of those towers return for one sample."""
        return sum(len(tower.blocks) * self._states(tower, width) for tower in towers)

    def _pass(self, batch: int, width: int) -> int:
        """The widest place of a forward pass: logits with their softmax, or a hidden layer."""
        logits = self.tokens_of(self.model.towers[-1]) * self._head * (width + 2 * FLOAT32)
        hidden = [
            self.tokens_of(tower) * max((i.shape[0] for i in self.layers_of(tower)), default=0)
            for tower in self.model.towers
        ]
        return batch * max(logits, 3 * width * max(hidden))

    def _graph(self, width: int) -> int:
        """What a block keeps of one sample for its gradients: what its layers read and return."""
        return max(
            self.tokens_of(tower)
            * sum(sum(layer.shape) for layer in self.model.layers_of(tower.name, 0)) * width
            for tower in self.model.towers
        )  # fmt: skip

    @property
    def _head(self) -> int:
        """Outputs of the widest linear layer outside the blocks, e.g. the vocabulary."""
        inside = {part for block in self.model.blocks for part in block.modules()}
        return max(
            (
                part.out_features
                for part in self.model.loaded.module.modules()
                if isinstance(part, nn.Linear) and part not in inside
            ),
            default=0,
        )


def outline(name: str, plugins: Plugins, work: Work) -> Outline:
    """Build a bundled model, folder or hub id from its config, without reading a weight.

    Raises:
        InputError: Nothing of that name is there, or no family knows its architecture.
    """
    spec = checked(ModelSpec, {"name": name, "device": torch.device("meta").type, "init": "random"})
    return Outline(model=load_model(spec, plugins), work=work)
