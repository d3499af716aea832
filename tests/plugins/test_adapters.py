"""Adapters beside a model's weights are merged, or refused with how to merge them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.errors import CheckpointError, HarnessError
from harness.model import load_model
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from tests.plugins.tiny_families import TABLE

QUERY = "model.layers.0.self_attn.q_proj"
LORA = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "task_type": "CAUSAL_LM"}


def lora(width: int = 24) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    return {
        f"base_model.model.{QUERY}.lora_A.weight": torch.randn(2, width, generator=draw),
        f"base_model.model.{QUERY}.lora_B.weight": torch.randn(width, 2, generator=draw),
    }


def add_adapter(folder: Path, tensors: dict[str, torch.Tensor], **config: Any) -> None:
    content = {**LORA, "target_modules": ["layers.0.self_attn.q_proj"], **config}
    (folder / "adapter_config.json").write_text(json.dumps(content))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    folder = tmp_path / "llama"
    folder.mkdir()
    TABLE["llama"][1](folder)
    return folder


def weights(folder: Path, plugins: Plugins) -> dict[str, torch.Tensor]:
    return load_model(ModelSpec(name=str(folder)), plugins).loaded.module.state_dict()


def refusal(folder: Path, plugins: Plugins) -> str:
    with pytest.raises(HarnessError) as caught:
        load_model(ModelSpec(name=str(folder)), plugins)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_peft_an_adapter_is_refused_with_how_to_merge_it(
    llama: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_plugins.adapters.find_spec", lambda _: None)
    add_adapter(llama, lora())

    told = refusal(llama, plugins)

    assert "an adapter belongs to its weights; have it merged by pip install '" in told
    assert "pruning-harness[adapters]'" in told
    assert "merge_and_unload().save_pretrained(" in told


def test_parts_of_an_adapter_are_refused(llama: Path, plugins: Plugins) -> None:
    add_adapter(llama, lora())
    (llama / "adapter_config.json").unlink()
    assert "adapter_model.safetensors without adapter_config.json" in refusal(llama, plugins)

    add_adapter(llama, lora())
    (llama / "adapter_model.safetensors").rename(llama / "adapter_model.bin")
    assert "adapter_model.bin is a pickle, which is never opened" in refusal(llama, plugins)


def test_an_adapter_alone_is_no_model(tmp_path: Path, plugins: Plugins) -> None:
    add_adapter(tmp_path, lora())

    assert "an adapter alone is no model: merge it into the one" in refusal(tmp_path, plugins)


def test_random_weights_need_no_adapter(llama: Path, plugins: Plugins) -> None:
    before = load_model(ModelSpec(name=str(llama), init="random"), plugins).identity["weights"]
    add_adapter(llama, lora())

    after = load_model(ModelSpec(name=str(llama), init="random"), plugins).identity["weights"]

    assert after == before


def test_an_adapter_is_merged_into_the_weights(
    llama: Path, plugins: Plugins, tmp_path: Path
) -> None:
    """W + alpha / r * B A, and all other tensors as they were; saved, it is a plain folder."""
    pytest.importorskip("peft")
    before, adapter = weights(llama, plugins), lora()
    add_adapter(llama, adapter)
    a, b = (adapter[f"base_model.model.{QUERY}.lora_{side}.weight"] for side in "AB")

    model = load_model(ModelSpec(name=str(llama)), plugins)
    merged = model.loaded.module.state_dict()

    assert merged.keys() == before.keys()
    changed = {name for name in merged if not torch.equal(merged[name], before[name])}
    assert changed == {f"{QUERY}.weight"}
    torch.testing.assert_close(merged[f"{QUERY}.weight"], before[f"{QUERY}.weight"] + 3 * b @ a)
    saved = tmp_path / "saved"
    model.loaded.save(saved)
    assert not list(saved.glob("adapter*"))
    assert (
        load_file(saved / "model.safetensors").keys()
        == load_file(llama / "model.safetensors").keys()
    )
    again = load_model(ModelSpec(name=str(saved)), plugins)
    assert again.identity == model.identity
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target_modules": ["nowhere"]}, "Target modules {'nowhere'} not found in the base"),
        (
            {"target_modules": ["q_proj"], "init_lora_weights": False},
            "2 missing tensors, first base_model.model.model.layers.1.",
        ),
        ({"r": 3}, "size mismatch for "),
        ({"novel_option": 1}, "Unexpected keyword arguments ['novel_option'] for class LoraConf"),
        ({"peft_type": "NOVEL"}, "NOVEL"),
    ],
)
def test_an_adapter_of_another_model_is_refused(
    change: dict[str, Any], told: str, llama: Path, plugins: Plugins
) -> None:
    pytest.importorskip("peft")
    add_adapter(llama, lora(), **change)

    message = refusal(llama, plugins)
    assert "cannot merge the adapter (" in message
    assert told in message


def test_layers_that_an_adapter_says_nothing_of_stay(llama: Path, plugins: Plugins) -> None:
    """Its modules are all q_proj, its tensors those of the first block."""
    pytest.importorskip("peft")
    before = weights(llama, plugins)
    add_adapter(llama, lora(), target_modules=["q_proj"])

    merged = weights(llama, plugins)

    changed = {name for name in merged if not torch.equal(merged[name], before[name])}
    assert changed == {f"{QUERY}.weight"}


@pytest.mark.parametrize("side", ["A", "B"])
def test_half_of_what_a_layer_needs_is_refused(side: str, llama: Path, plugins: Plugins) -> None:
    pytest.importorskip("peft")
    half = {name: tensor for name, tensor in lora().items() if f"lora_{side}" in name}
    add_adapter(llama, half)

    assert "1 missing tensors, first base_model.model.model.layers.0." in refusal(llama, plugins)


def test_an_adapter_that_has_no_weights_is_refused(llama: Path, plugins: Plugins) -> None:
    pytest.importorskip("peft")
    add_adapter(llama, {"prompt_embeddings": torch.ones(2, 24)})
    config = {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 2, "task_type": "CAUSAL_LM"}
    (llama / "adapter_config.json").write_text(json.dumps(config))

    assert "(it is of type PROMPT_TUNING, which has no weights)" in refusal(llama, plugins)


def test_a_tensor_that_the_adapter_has_no_place_for_is_refused(
    llama: Path, plugins: Plugins
) -> None:
    pytest.importorskip("peft")
    name = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"
    add_adapter(llama, {**lora(), name: torch.ones(2, 24)})

    with pytest.raises(CheckpointError, match="1 unexpected tensors, first base_model."):
        load_model(ModelSpec(name=str(llama)), plugins)
