"""The reference's toy layers and its tiny Llama, as the machine sees them."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from harness.calibration import CalibrationSet
from harness.composition import compose
from harness.model import Model, identify
from harness.plugin import LayerInfo, LayerJob, ModelSpec, Pattern, Sample
from harness.plugin.manager import Plugins
from harness.pruning import Pruned
from harness.spec import PrunerSpec
from harness.testing import statistics_of
from harness_plugins.families.causal_lm import CausalLM
from tests.conformance.stages import run_stages

Vectors = dict[str, torch.Tensor]


def layer_job(
    weight: torch.Tensor,
    inputs: torch.Tensor,
    keep_count: int,
    pattern: Pattern | None = None,
    *,
    tower: str = "t",
) -> LayerJob:
    """A layer with statistics of inputs (batches, batch, tokens, in)."""
    rows, columns = weight.shape
    info = LayerInfo(
        name="layer", tower=tower, block=0, role="r", shape=(rows, columns), stream=tower
    )
    samples = inputs.reshape(-1, inputs.shape[-2], columns)
    return LayerJob(
        info=info,
        weight=weight,
        keep_count=keep_count,
        pattern=pattern,
        stats=statistics_of(info, samples, {"input_sq", "gram"}),
        scores=None,
        keep=None,
        rng=torch.Generator(),
    )


def n_of_m(name: str) -> Pattern:
    """The pattern that the reference calls `prune2of4` or `2of4`: it names what goes."""
    pruned, of = map(int, name.removeprefix("prune").split("of"))
    return Pattern(of - pruned, of)


def deviation(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Norm of the difference in parts of the norm."""
    assert ours.numel()
    return float((ours - theirs).norm() / theirs.norm())


class Toy:
    """The reference's network c(relu(b(tanh(a(x))))) with mean cross-entropy, as a session."""

    def __init__(
        self,
        vectors: Vectors,
        *,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
        activation: Callable[[torch.Tensor], torch.Tensor] = torch.relu,
    ) -> None:
        self._activation = activation
        parts = {k.removeprefix("toy."): v for k, v in vectors.items() if k.startswith("toy.")}
        self.rng = torch.Generator().manual_seed(seed)
        self._tensors = {
            name: tensor.to(dtype, copy=True)
            for name, tensor in parts.items()
            if name not in ("x", "y")
        }
        self.given = [
            {"x": x.to(dtype), "y": y} for x, y in zip(parts["x"], parts["y"], strict=True)
        ]
        self.layers = [self.layer(name) for name in self._tensors if name.endswith("weight")]

    def layer(self, name: str) -> LayerInfo:
        rows, columns = self._tensors[name].shape
        return LayerInfo(name=name, tower="t", block=0, role="r", shape=(rows, columns), stream="t")

    def batches(
        self, samples: int | None = None, *, size: int = 1
    ) -> list[dict[str, torch.Tensor]]:
        """The reference's four batches of eight."""
        return self.given

    def weight(self, layer: LayerInfo) -> torch.Tensor:
        return self._tensors[layer.name]

    def loss(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        t = self._tensors
        linear = torch.nn.functional.linear
        hidden = torch.tanh(linear(batch["x"], t["a.weight"], t["a.bias"]))
        hidden = self._activation(linear(hidden, t["b.weight"], t["b.bias"]))
        logits = linear(hidden, t["c.weight"], t["c.bias"])
        return torch.nn.functional.cross_entropy(logits, batch["y"])

    def gradients(
        self, batch: Mapping[str, torch.Tensor]
    ) -> Iterator[tuple[LayerInfo, torch.Tensor]]:
        weights = [self._tensors[layer.name].requires_grad_(True) for layer in self.layers]
        found = torch.autograd.grad(self.loss(batch), weights)
        for weight in weights:
            weight.requires_grad_(False)
        yield from zip(self.layers, found, strict=True)

    @contextmanager
    def perturbed(self, layer: LayerInfo) -> Iterator[torch.Tensor]:
        saved = self._tensors[layer.name].clone()
        yield self._tensors[layer.name]
        self._tensors[layer.name].copy_(saved)

    def progress(self, done: int, total: int, label: str) -> None:
        """Nobody looks."""


def under(tensors: Vectors, prefix: str) -> Vectors:
    """The tensors below a prefix, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def llama(config: Mapping[str, Any], weights: Vectors) -> Model:
    """A Llama of that config with weights by their names in a state dict."""
    module = LlamaForCausalLM(LlamaConfig(**config))
    assert not module.load_state_dict(weights, strict=False).unexpected_keys
    loaded = CausalLM(module.eval(), tokenizer=None)
    spec = ModelSpec(name="conformance")
    return Model(spec=spec, family="causal-lm", loaded=loaded, identity=identify(loaded))


def windows(ids: torch.Tensor) -> CalibrationSet:
    """Token ids (samples, tokens) as a calibration set."""
    samples = [Sample(id=str(i), tokens=tuple(row.tolist())) for i, row in enumerate(ids)]
    return CalibrationSet("reference", samples)


class ReferenceLlama:
    """The dense Llama, its calibration ids, and its weights after each published run."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "llama.json").read_text())
        self._config = {k: v for k, v in settings.items() if k not in ("seqlen", "nsamples")}
        self.tensors: Vectors = load_file(folder / "llama.safetensors")

    def model(self) -> Model:
        return llama(self._config, under(self.tensors, "dense."))

    def runs(self, kind: str) -> list[str]:
        """The stored runs of a published pruner: `wanda.0.5`, `wanda.2of4`, …"""
        losses = [key.removesuffix(".loss") for key in self.tensors if key.endswith(".loss")]
        return sorted(run for run in losses if run.partition(".")[0] == kind)

    def prune(self, model: Model, recipe: str, run: str, plugins: Plugins) -> Pruned:
        """Prune to a run's sparsity or pattern, counted as published, on its calibration ids."""
        kind, _, asked = run.partition(".")
        pattern = n_of_m(asked) if "of" in asked else None
        sparsity = Fraction(pattern.of - pattern.keep, pattern.of) if pattern else Fraction(asked)
        # Wanda counts in every row, the others in the whole matrix.
        groups = {i.name: i.shape[0] if kind == "wanda" else 1 for i in model.layers}
        keep = {
            i.name: i.numel - groups[i.name] * math.floor(i.numel // groups[i.name] * sparsity)
            for i in model.layers
        }
        composition = compose(PrunerSpec(recipe=recipe), plugins)
        calibration = windows(self.tensors["calibration.input_ids"])
        _, pruned = run_stages(
            model, calibration, composition, float(sparsity), pattern=pattern, keep=keep
        )
        return pruned

    def pruned(self, run: str, layer: LayerInfo) -> torch.Tensor:
        """A layer's weight after a published run."""
        return self.tensors[f"{run}.{layer.name}.weight"]
