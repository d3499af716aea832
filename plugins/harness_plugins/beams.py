"""Beams of a prompt attend to the prompt together."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from harness.plugin import Tower


class _SharedByBeams(DynamicCache):  # type: ignore[misc]  # transformers is untyped
    """Keys and values of a prompt, one row for all of its beams: no choice of beams moves them."""

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Beam search picks among the beams of a prompt, which share their row."""


@contextmanager
def beams_together(towers: Sequence[Tower], beams: int) -> Iterator[dict[str, Any]]:
    """Inside the context, cross-attention takes the beams of a prompt as queries of one row.

    Beam search repeats what an encoder gave for every beam, rows next to each other. Keys and
    values of equal rows are equal, and a query of cross-attention knows nothing of its place, so
    they are computed, kept and read once for all beams of a prompt.

    Args:
        towers: Of the model; without a decoder that attends to a T5's encoder nothing changes.
        beams: Beams of a prompt.

    Yields:
        Further arguments of ``generate``.
    """
    attentions = [
        block.get_submodule("layer.1.EncDecAttention")
        for tower in towers
        if tower.cross_stream == "language-encoder"
        for _, block in tower.blocks
    ]
    if beams == 1 or not attentions:
        yield {}
        return

    def fold(_layer: nn.Module, inputs: Any, given: dict[str, Any]) -> Any:
        rows, length, width = inputs[0].shape
        folded = inputs[0].reshape(rows // beams, beams * length, width)
        shared = {
            "key_value_states": given["key_value_states"][::beams],
            "mask": None if given["mask"] is None else given["mask"][::beams, :, :1],
        }
        return (folded, *inputs[1:]), {**given, **shared}

    def unfold(_layer: nn.Module, _inputs: Any, output: Any) -> Any:
        rows, length, width = output[0].shape
        return output[0].reshape(rows * beams, length // beams, width), *output[1:]

    handles = [
        handle
        for attention in attentions
        for handle in (
            attention.register_forward_pre_hook(fold, with_kwargs=True),
            attention.register_forward_hook(unfold),
        )
    ]
    try:
        yield {_cache_argument(): EncoderDecoderCache(DynamicCache(), _SharedByBeams())}
    finally:
        for handle in handles:
            handle.remove()


def _cache_argument() -> str:
    """What T5 calls its keys and values: ``cache`` from transformers 5.24 on."""
    from transformers import T5ForConditionalGeneration

    names = inspect.signature(T5ForConditionalGeneration.forward).parameters
    return "cache" if "cache" in names else "past_key_values"
