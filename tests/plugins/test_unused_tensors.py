"""Tensors in a model's files that it does without: constants, and what a user says."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.cli import run_command
from harness.errors import CheckpointError, InputError
from harness.model import load_model, weights_digest
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from tests.plugins.tiny_families import TABLE

HEAD = {"v_head.summary.weight": torch.ones(1, 24), "v_head.summary.bias": torch.ones(1)}


def add(folder: Path, **tensors: torch.Tensor) -> None:
    path = folder / "model.safetensors"
    save_file({**load_file(path), **tensors}, path, metadata={"format": "pt"})


def digest(folder: Path, plugins: Plugins, *ignored: str) -> str:
    spec = ModelSpec(name=str(folder), ignore_tensors=ignored)
    return weights_digest(load_model(spec, plugins).loaded.module)


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    folder = tmp_path / "gpt2"
    folder.mkdir()
    TABLE["gpt2"][1](folder)
    return folder


def test_constants_that_models_make_for_themselves_are_not_read(
    gpt2: Path, plugins: Plugins
) -> None:
    before = digest(gpt2, plugins)
    add(
        gpt2,
        **{
            "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
            "transformer.h.0.attn.bias": torch.ones(1, 1, 64, 64, dtype=torch.bool),
        },
    )

    assert digest(gpt2, plugins) == before


def test_rotary_frequencies_of_older_files_are_not_read(tmp_path: Path, plugins: Plugins) -> None:
    TABLE["llama"][1](tmp_path)
    before = digest(tmp_path, plugins)
    add(tmp_path, **{"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(3)})

    assert digest(tmp_path, plugins) == before


def test_a_value_head_is_ignored_where_that_is_asked(gpt2: Path, plugins: Plugins) -> None:
    before = digest(gpt2, plugins)
    add(gpt2, **HEAD)

    with pytest.raises(CheckpointError, match="2 unexpected tensors, first v_head.summary.bias; "):
        digest(gpt2, plugins)
    assert digest(gpt2, plugins, "v_head.*") == before
    assert digest(gpt2, plugins, "*.summary.bias", "*.summary.weight") == before
    with pytest.raises(CheckpointError, match="1 unexpected tensors, first v_head.summary.bias; "):
        digest(gpt2, plugins, "*.weight")


def test_an_ignored_tensor_may_be_no_weight(gpt2: Path, plugins: Plugins) -> None:
    before = digest(gpt2, plugins)
    add(gpt2, **{"scales.0": torch.ones(2, dtype=torch.int8)})

    with pytest.raises(CheckpointError, match=r"tensor scales\.0 is I8; weights are"):
        digest(gpt2, plugins)
    assert digest(gpt2, plugins, "scales.*") == before


@pytest.mark.parametrize("pattern", ["v_haed.*", "transformer.wte.weight"])
def test_a_pattern_that_names_nothing_unused_is_refused(
    pattern: str, gpt2: Path, plugins: Plugins
) -> None:
    add(gpt2, **HEAD)

    with pytest.raises(InputError, match=r"no such tensor .* those are v_head.summary.bias, v_hea"):
        digest(gpt2, plugins, "v_head.*", pattern)


def test_a_tensor_of_the_model_cannot_be_ignored(gpt2: Path, plugins: Plugins) -> None:
    path = gpt2 / "model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("c_fc.weight"))
    save_file({n: t for n, t in tensors.items() if n != name}, path, metadata={"format": "pt"})
    add(gpt2, **HEAD)

    with pytest.raises(CheckpointError, match=f"1 missing tensors, first {name}"):
        digest(gpt2, plugins, "v_head.*")


def test_the_record_says_what_was_ignored(gpt2: Path, tmp_path: Path) -> None:
    add(gpt2, **HEAD)
    data = tmp_path / "data" / "wikitext"
    data.mkdir(parents=True)
    (data / "wiki.test.raw").write_text("a b c d " * 40)
    results = tmp_path / "results"

    code = run_command(
        [
            *("eval", "--model", str(gpt2), "--ignore-tensors", "v_head.*", "--results"),
            *(str(results), "--tasks", "wikitext/w64", "--data", str(tmp_path / "data")),
        ]
    )

    assert code == 0
    records = [path.read_text() for path in results.rglob("*.json")]
    assert any('"ignore_tensors"' in text and "v_head.*" in text for text in records)


def test_two_sets_of_weights_are_refused(gpt2: Path, plugins: Plugins) -> None:
    (gpt2 / "model.safetensors.index.json").write_text('{"weight_map": {"a": "b.safetensors"}}')

    with pytest.raises(CheckpointError, match="both say what the weights are"):
        digest(gpt2, plugins)
