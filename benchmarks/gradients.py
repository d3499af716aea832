"""What gradients block by block save in memory, and what they cost in time.

    python benchmarks/gradients.py [--blocks 12] [--width 640]

A Llama with random weights (60 million by default) and one batch. The peak is of the bytes that
torch allocates, weights included; the bound beside it is weights + inputs of all blocks + the
activations and gradients of one block. Both ways run in turn in one process.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import LlamaConfig, LlamaForCausalLM

from harness.backward import gradients
from harness.model import Model, identify
from harness.plugin import Batch
from harness.spec import ModelSpec
from harness_plugins.families.causal_lm import CausalLM


class NoTokenizer:
    class backend_tokenizer:  # noqa: N801, D106 - an attribute of tokenizers
        @staticmethod
        def to_str() -> str:
            return ""


def build(blocks: int, width: int) -> Model:
    config = LlamaConfig(
        vocab_size=1024,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=blocks,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
    )
    torch.manual_seed(0)
    loaded = CausalLM(LlamaForCausalLM(config).eval().requires_grad_(False), NoTokenizer())
    spec = ModelSpec(name="random")
    return Model(spec=spec, family="causal-lm", loaded=loaded, identity=identify(loaded))


def streamed(model: Model, batch: Batch) -> float:
    return sum(float(gradient.abs().sum()) for _, gradient in gradients(model, batch))


def whole(model: Model, batch: Batch) -> float:
    weights = [model.module(layer).get_parameter("weight") for layer in model.layers]
    for weight in weights:
        weight.requires_grad_(True)
    found = torch.autograd.grad(model.loaded.loss(batch), weights)
    for weight in weights:
        weight.requires_grad_(False)
    return sum(float(gradient.abs().sum()) for gradient in found)


def peak_bytes(run: Callable[[Model, Batch], float], model: Model, batch: Batch) -> int:
    """The most bytes that live at once beyond what lived before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
        run(model, batch)
    result = prof.profiler.kineto_results
    changes = [
        (event.start_ns(), event.nbytes())
        for event in result.events()
        if event.name() == "[memory]"
    ]
    live = most = 0
    for _, change in sorted(changes):
        live += change
        most = max(most, live)
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    model = build(arguments.blocks, arguments.width)
    ids = torch.arange(arguments.tokens)[None] % 1024
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    weights = sum(p.numel() * 4 for p in model.loaded.module.parameters())
    sums, times = [], []
    for _ in range(arguments.rounds):
        row = []
        for run in (whole, streamed):
            started = time.perf_counter()
            sums.append(run(model, batch))
            row.append(time.perf_counter() - started)
        times.append(row)
    assert max(sums) - min(sums) <= 1e-4 * max(sums), "the gradients differ"
    peaks = [weights + peak_bytes(run, model, batch) for run in (whole, streamed)]
    ratio = statistics.median(row[1] / row[0] for row in times)
    checkpoints = arguments.blocks * arguments.tokens * arguments.width * 4
    one_block = weights_of_block(model) + activations_of_block(model, batch)
    bound = weights + checkpoints + one_block
    mib = 2**20
    print(f"{weights // 4:,} weights, {arguments.blocks} blocks, {arguments.tokens} tokens")
    print(
        f"peak, whole backward pass {peaks[0] / mib:.0f} MiB, block by block {peaks[1] / mib:.0f}"
    )
    print(f"bound {bound / mib:.0f} MiB; {peaks[1] / bound:.2f} of it is used")
    print(f"time, block by block over whole: {ratio:.2f}")


def weights_of_block(model: Model) -> int:
    """Bytes of one block's gradients."""
    return sum(layer.numel * 4 for layer in model.layers if layer.block == 0)


def activations_of_block(model: Model, batch: Batch) -> int:
    """Bytes that one block's graph keeps for its backward pass."""
    block = model.towers[0].blocks[0][1]
    kept: dict[int, int] = {}
    calls = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    hook = block.register_forward_pre_hook(
        lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True
    )
    model.loaded.loss(batch)
    hook.remove()
    weights = {p.untyped_storage().data_ptr() for p in block.parameters()}
    args, kwargs = calls[0]
    for parameter in block.parameters():
        parameter.requires_grad_(parameter.dim() == 2)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        output = block(*args, **kwargs)
    del output
    for parameter in block.parameters():
        parameter.requires_grad_(False)
    return sum(size for pointer, size in kept.items() if pointer not in weights)


if __name__ == "__main__":
    main()
