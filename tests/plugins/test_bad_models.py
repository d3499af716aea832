"""Model folders that cannot be used: one line that says why."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import MixtralConfig, MixtralForCausalLM

from harness.cli import run_command
from harness.errors import CheckpointError, HarnessError, InputError
from harness.model import Model, load_model
from harness.plugin import Tower
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from harness_plugins.weight_files import refuse_files
from tests.plugins.tiny_families import TABLE

QUERY = "model.layers.0.self_attn.q_proj.weight"
QUANTISED = (
    "its config says weights quantised by gptq; quantised weights are not pruned; "
    "give the full-precision checkpoint"
)
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    folder = tmp_path / "llama"
    folder.mkdir()
    TABLE["llama"][1](folder)
    return folder


def refusal(folder: Path, plugins: Plugins, **spec: str) -> str:
    with pytest.raises(HarnessError) as caught:
        load_model(ModelSpec(name=str(folder), **spec), plugins)
    message = str(caught.value)
    assert isinstance(caught.value, InputError)
    assert "\n" not in message
    return message


def quantise(tensors: Tensors) -> None:
    tensors[QUERY] = tensors[QUERY].to(torch.int8)


def widen(tensors: Tensors) -> None:
    tensors[QUERY] = torch.cat([tensors[QUERY], tensors[QUERY]])


CHANGES: list[tuple[Callable[[Tensors], object], str]] = [
    (lambda tensors: tensors.pop("lm_head.weight"), "1 missing tensors, first lm_head.weight"),
    (
        lambda tensors: tensors.update({"v_head.more": torch.ones(1)}),
        "1 unexpected tensors, first v_head.more; if the model can do without them, say so: "
        "--ignore-tensors 'v_head.*'",
    ),
    (quantise, f"tensor {QUERY} is I8; weights are F16, BF16, F32, F64"),
    (widen, f"{QUERY} is [48, 24], the model's is [24, 24]"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_weights_that_are_not_the_models(
    change: Callable[[Tensors], object],
    message: str,
    llama: Path,
    plugins: Plugins,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = llama / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    capfd.readouterr()

    assert message in refusal(llama, plugins)
    assert "LOAD REPORT" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("transformer.h.0.attn.c_attn.bias", torch.int32, "h.0.attn.c_attn.bias is I32; weights"),
        ("transformer.h.0.ln_1.bias", torch.uint8, "transformer.h.0.ln_1.bias is U8; weights are"),
        ("transformer.h.0.attn.bias", torch.int8, "transformer.h.0.attn.bias is I8; weights are"),
        ("transformer.h.0.attn.bias", torch.bool, ""),
        ("transformer.h.0.attn.bias", torch.uint8, ""),
        ("transformer.position_ids", torch.int64, ""),
    ],
)
def test_only_what_is_known_to_be_no_weight_may_be_integers(
    name: str, dtype: torch.dtype, message: str, tmp_path: Path
) -> None:
    TABLE["gpt2"][1](tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    tensors[name] = tensors.get(name, torch.ones(2)).to(dtype)
    save_file(tensors, path, metadata={"format": "pt"})

    with pytest.raises(CheckpointError, match=message) if message else nullcontext():
        refuse_files(str(tmp_path))


def test_pickles_are_not_opened(llama: Path, plugins: Plugins) -> None:
    (llama / "model.safetensors").unlink()
    (llama / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")

    assert "pytorch_model.bin is a pickle, which is never opened" in refusal(llama, plugins)


def test_a_shard_that_is_not_there(llama: Path, plugins: Plugins) -> None:
    (llama / "model.safetensors").rename(llama / "model-1.safetensors")
    index = {"weight_map": {QUERY: "model-1.safetensors", "b": "model-2.safetensors"}}
    (llama / "model.safetensors.index.json").write_text(json.dumps(index))

    assert "model-2.safetensors, which model.safetensors.index.json names" in refusal(
        llama, plugins
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": None}, "no family for architecture None; families: blip, "),
        ({"model_type": "novel"}, "cannot read the config"),
        ({"hidden_size": "big"}, "Field 'hidden_size' expected int, got str (value: 'big')"),
        (
            {"architectures": ["MambaForCausalLM"], "model_type": "mamba", "state_size": 8},
            "MambaForCausalLM has its blocks at none of model.layers, ",
        ),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, QUANTISED),
        ({"text_config": {"quantization_config": {"quant_method": "gptq"}}}, QUANTISED),
    ],
)
def test_configs_that_no_family_can_use(
    changes: dict[str, object], message: str, llama: Path, plugins: Plugins
) -> None:
    path = llama / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    assert message in refusal(llama, plugins, init="random")


@pytest.mark.parametrize(
    ("kind", "file", "changes", "part"),
    [
        ("llama", "config.json", {"model_type": "novel"}, "config"),
        ("llama", "tokenizer_config.json", {"tokenizer_class": "Novel"}, "tokenizer"),
        ("vit", "preprocessor_config.json", {"image_processor_type": "Novel"}, "image processor"),
    ],
)
def test_code_in_a_folder_is_never_run(
    kind: str,
    file: str,
    changes: dict[str, str],
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    TABLE[kind][1](tmp_path)
    novel = "novel.Novel"
    code = {"AutoConfig": novel, "AutoTokenizer": [novel, None], "AutoImageProcessor": novel}
    settings = json.loads((tmp_path / file).read_text()) | changes | {"auto_map": code}
    (tmp_path / file).write_text(json.dumps(settings))
    marker = tmp_path / "marker"
    (tmp_path / "novel.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Novel: pass\n")
    monkeypatch.setattr("builtins.input", lambda _: "y")

    assert run_command(["models", "show", str(tmp_path)]) == 2

    assert f"the {part} needs code that comes with it, which is never run; " in " ".join(
        capsys.readouterr().err.split()
    )
    assert not marker.exists()


def test_a_hub_model_that_is_not_here_is_to_be_fetched_whole(plugins: Plugins) -> None:
    assert "`hf download no/such-model`" in refusal(Path("no/such-model"), plugins)


def test_without_timm_the_extra_that_brings_it_is_named(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_plugins.families.timm.find_spec", lambda _: None)

    message = refusal(Path("eva-vit-g"), plugins, init="random")

    assert message.endswith("its architecture is timm's: pip install 'pruning-harness[timm]'")


class Convolving:
    """A model whose only tower has nothing linear in it."""

    def __init__(self) -> None:
        self.module = nn.ModuleList([nn.Conv1d(2, 2, 1)])
        self.towers = [Tower(name="audio", blocks=[("0", self.module[0])])]


MIXTURE = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_local_experts": 4,
}


def test_a_mixture_of_experts_is_not_pruned_in_part(llama: Path, plugins: Plugins) -> None:
    """Its experts are three-dimensional parameters: four of 3 x 24 x 40 weights, and a router."""
    vocabulary = json.loads((llama / "config.json").read_text())["vocab_size"]
    MixtralForCausalLM(MixtralConfig(**MIXTURE, vocab_size=vocabulary)).save_pretrained(llama)

    assert refusal(llama, plugins).endswith(
        f"{2 * 4 * (3 * 24 * 40 + 24):,} weights of its blocks, first "
        "model.layers.0.mlp.gate.weight (4, 24), are not linear layers that can be pruned; "
        "mixtures of experts are not supported"
    )


class Mixing:
    """A block of a linear layer beside what is, or is not, left out of pruning."""

    def __init__(self, beside: nn.Module, *, counts: bool = True) -> None:
        self.module = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), beside)])
        self.towers = [Tower(name="audio", blocks=[("0", self.module[0])])]
        self._counts = counts

    def prunable(self, name: str) -> bool:
        return self._counts or name != "0.1.weight"


@pytest.mark.parametrize(
    "loaded",
    [
        Mixing(nn.Embedding(3, 2)),
        Mixing(nn.LayerNorm(2)),
        Mixing(nn.Conv1d(2, 2, 3, groups=2)),
        Mixing(nn.Conv1d(2, 2, 3), counts=False),
    ],
)
def test_tables_norms_filters_a_channel_and_what_a_family_says_are_left_out(loaded: Mixing) -> None:
    model = Model(spec=ModelSpec(name="m"), family="none", loaded=loaded, identity={})

    assert [layer.name for layer in model.layers] == ["0.0"]


def test_a_convolution_across_channels_is_not_left_out() -> None:
    message = (
        r"12 weights of its blocks, first 0\.1\.weight \(2, 2, 3\), are not linear layers that can "
        r"be pruned; a family of their own .*adding_a_model_family\.md\)$"
    )
    with pytest.raises(InputError, match=message):
        Model(
            spec=ModelSpec(name="m"),
            family="none",
            loaded=Mixing(nn.Conv1d(2, 2, 3)),
            identity={},
        )


def test_other_matrices_beside_experts_are_not_called_experts() -> None:
    mixture = nn.ModuleDict({"experts": nn.ParameterList([torch.ones(2, 2, 2)])})
    beside = nn.ModuleDict({"mixer": nn.Conv1d(2, 2, 3), "mlp": mixture})

    with pytest.raises(InputError, match=r"20 weights .*first 0\.1\.mixer\.weight .*of their own"):
        Model(spec=ModelSpec(name="j"), family="none", loaded=Mixing(beside), identity={})


@pytest.mark.parametrize("kind", ["architectures", "blocks"])
def test_what_no_family_knows_points_to_the_guide(kind: str, llama: Path, plugins: Plugins) -> None:
    changes = {"architectures": ["Novel"]}
    if kind == "blocks":
        changes = {"architectures": ["MambaForCausalLM"], "model_type": "mamba", "state_size": 8}
    path = llama / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    assert "docs/adding_a_model_family.md shows how to add" in refusal(
        llama, plugins, init="random"
    )


def test_a_tower_without_a_linear_layer() -> None:
    with pytest.raises(InputError, match=r"model c: tower audio has 1 blocks .* made of Conv1d$"):
        Model(spec=ModelSpec(name="c"), family="none", loaded=Convolving(), identity={})


def test_a_fault_of_the_weights_is_found_before_they_are_read(
    llama: Path, plugins: Plugins
) -> None:
    path = llama / "model.safetensors"
    path.write_bytes(path.read_bytes()[:200])

    with pytest.raises(CheckpointError, match=r"cannot read the weights \(model\.safetensors: "):
        load_model(ModelSpec(name=str(llama)), plugins)
