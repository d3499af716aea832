"""Model folders that cannot be used: one line that says why."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from harness.errors import CheckpointError, HarnessError, InputError
from harness.model import Model, load_model
from harness.plugin import Tower
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from harness_plugins.weight_files import refuse_files
from tests.plugins.tiny_families import TABLE

QUERY = "model.layers.0.self_attn.q_proj.weight"
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
    (lambda tensors: tensors.update(more=torch.ones(1)), "1 unexpected tensors, first more"),
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
    ],
)
def test_configs_that_no_family_can_use(
    changes: dict[str, object], message: str, llama: Path, plugins: Plugins
) -> None:
    path = llama / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    assert message in refusal(llama, plugins, init="random")


class Convolving:
    """A model whose only tower has nothing linear in it."""

    def __init__(self) -> None:
        self.module = nn.ModuleList([nn.Conv1d(2, 2, 1)])
        self.towers = [Tower(name="audio", blocks=[("0", self.module[0])])]


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
