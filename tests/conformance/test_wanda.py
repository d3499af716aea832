"""Wanda equals locuslab/wanda, given the reference's own count per row."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from harness.budget import Budget
from harness.calibration import CalibrationSet
from harness.composition import compose
from harness.model import Model, identify
from harness.plugin import LayerInfo, LayerJob, ModelSpec, Pattern, Sample, Statistics
from harness.pruning import Fine, prune
from harness.spec import PrunerSpec
from harness_plugins.families.causal_lm import CausalLM
from harness_plugins.methods.wanda import Wanda

Vectors = dict[str, torch.Tensor]


def job(vectors: Vectors, keep_count: int, pattern: Pattern | None = None) -> LayerJob:
    weight, inputs = vectors["wanda.weight"], vectors["wanda.inputs"]
    tokens = inputs.reshape(-1, weight.shape[1])
    info = LayerInfo(
        name="layer", tower="t", block=0, role="r", shape=tuple(weight.shape), stream="t"
    )
    stats = Statistics(
        layer="layer",
        samples=inputs.shape[0] * inputs.shape[1],
        tokens=len(tokens),
        values={"input_sq": tokens.square().sum(dim=0)},
    )
    return LayerJob(
        info=info,
        weight=weight,
        keep_count=keep_count,
        pattern=pattern,
        stats=stats,
        scores=None,
        keep=None,
        rng=torch.Generator(),
    )


def sparsities(vectors: Vectors) -> list[str]:
    return sorted(k.split(".keep")[0] for k in vectors if k.startswith("wanda.row."))


def test_row_masks_equal_the_reference(vectors: Vectors) -> None:
    rows, columns = vectors["wanda.weight"].shape

    for name in sparsities(vectors):
        sparsity = float(name.removeprefix("wanda.row."))
        keep_count = rows * (columns - int(columns * sparsity))
        result = Wanda().prune(job(vectors, keep_count))

        assert torch.equal(vectors[f"{name}.keep"].bool(), result.keep), name


def test_n_of_m_masks_equal_the_reference(vectors: Vectors) -> None:
    names = [key for key in vectors if key.startswith("wanda.prune")]
    assert names

    for name in names:
        pruned, of = map(int, name.removeprefix("wanda.prune").split(".")[0].split("of"))
        pattern = Pattern(of - pruned, of)
        keep_count = vectors["wanda.weight"].numel() * pattern.keep // of
        result = Wanda().prune(job(vectors, keep_count, pattern))

        assert torch.equal(vectors[name].bool(), result.keep), name


@pytest.fixture(scope="module")
def reference_llama(conformance: Path) -> tuple[dict[str, int], Vectors]:
    settings = json.loads((conformance / "llama.json").read_text())
    return settings, load_file(conformance / "llama.safetensors")


def build(settings: dict[str, int], tensors: Vectors) -> Model:
    names = ("seqlen", "nsamples")
    config = LlamaConfig(**{k: v for k, v in settings.items() if k not in names})
    module = LlamaForCausalLM(config)
    dense = {k.removeprefix("dense."): v for k, v in tensors.items() if k.startswith("dense.")}
    missing = module.load_state_dict(dense, strict=False)
    assert not missing.unexpected_keys
    loaded = CausalLM(module.eval(), tokenizer=_Untokenized())
    spec = ModelSpec(name="conformance")
    return Model(spec=spec, family="causal-lm", loaded=loaded, identity=identify(loaded))


class _Untokenized:
    """Stands for the tokenizer that the reference's ids came without."""

    class backend_tokenizer:
        @staticmethod
        def to_str() -> str:
            return ""


@pytest.mark.parametrize(("run", "pattern"), [("wanda.0.5", None), ("wanda.2of4", Pattern(2, 4))])
def test_whole_llama_equals_the_reference(
    reference_llama: tuple[dict[str, int], Vectors], plugins, run: str, pattern: Pattern | None
) -> None:
    settings, tensors = reference_llama
    model = build(settings, tensors)
    ids = tensors["calibration.input_ids"]
    samples = [Sample(id=str(i), tokens=tuple(row.tolist())) for i, row in enumerate(ids)]
    keep = {i.name: i.shape[0] * (i.shape[1] - int(i.shape[1] * 0.5)) for i in model.layers}
    fine = Fine(
        composition=compose(PrunerSpec(recipe="wanda"), plugins),
        budget=Budget(keep),
        pattern=pattern,
        scores={},
        seed=0,
    )

    pruned = prune(model, fine, CalibrationSet("reference", samples), lambda *_: None)

    differing = sum(
        int((pruned.masks[i.name] != (tensors[f"{run}.{i.name}.weight"] != 0)).sum())
        for i in model.layers
    )
    assert differing <= 1e-4 * sum(i.numel for i in model.layers)
