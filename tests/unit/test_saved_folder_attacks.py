"""Folders of strangers: what leads out of them, what is nonsense, and what would never end."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.checkpoint import load_saved
from harness.errors import HarnessError, InputError
from harness.folder_manifest import read_manifest
from harness.model import load_model
from harness.pipeline import prune_to_folder
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from tests.end_to_end.worlds import image_folder, vit_spec
from tests.tiny import llama

BOMB = "[" * 100_000


@pytest.fixture
def saved(tiny_folder: Callable[[str], Path], plugins: Plugins, tmp_path: Path) -> Path:
    data, folder = image_folder(tmp_path / "data"), tmp_path / "saved"
    spec = vit_spec(tiny_folder("vit"), data, tmp_path / "results", ("magnitude",), tasks=[])
    prune_to_folder(spec, plugins, folder)
    return folder


def refusal(folder: Path, plugins: Plugins) -> str:
    def load() -> None:
        spec, manifest = ModelSpec(name=str(folder)), read_manifest(str(folder))
        load_saved(spec, manifest, plugins) if manifest else load_model(spec, plugins)

    with pytest.raises(HarnessError) as caught:
        load()
    assert isinstance(caught.value, InputError)
    return str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "more.json", "sub"])
def test_a_link_out_of_a_saved_folder_is_not_followed(
    name: str, saved: Path, plugins: Plugins, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside.mkdir if name == "sub" else outside.touch)()
    path = saved / name
    if path.exists():
        outside.write_bytes(path.read_bytes())
        path.unlink()
    path.symlink_to(outside)

    assert f"{name} is a link that leads out of the folder" in refusal(saved, plugins)


def test_a_manifest_names_files_of_its_folder_alone(
    saved: Path, plugins: Plugins, tmp_path: Path
) -> None:
    content = json.loads((saved / "harness.json").read_text())
    content["tensors"]["../outside.safetensors"] = {"a": "0" * 64}
    (saved / "harness.json").write_text(json.dumps(content))

    assert "'../outside.safetensors' is no file of the folder" in refusal(saved, plugins)


@pytest.mark.parametrize("content", [BOMB, '{"a":' * 100_000, "[]", "{}", "", "\0", "NaN"])
def test_a_manifest_that_is_none(content: str, saved: Path, plugins: Plugins) -> None:
    (saved / "harness.json").write_text(content)

    assert "harness.json: not a Manifest" in refusal(saved, plugins)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "llama"
    folder.mkdir()
    llama(folder)
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1,000,000,000; at most 10,000"),
        ({"num_labels": 10**9}, "num_labels is 1,000,000,000; at most 1,000,000"),
        ({"vocab_size": 10**12}, "vocab_size is 1,000,000,000,000; at most 67,108,864"),
        ({"text_config": {"num_layers": 10**30}}, "num_layers is larger than 1e18"),
        ({"architectures": 5}, "architectures is a list of names, not 5"),
        ({"architectures": [None]}, "architectures is a list of names"),
        ({"hidden_size": "x"}, "cannot read the config"),
        ({"hidden_size": -8}, "cannot read the weights"),
        ({"num_attention_heads": 0}, "cannot read"),
        ({"model_type": []}, "cannot read the config"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised by gptq"),
    ],
)
def test_a_config_that_no_model_can_have(
    change: dict[str, Any], message: str, model: Path, plugins: Plugins
) -> None:
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    assert message in refusal(model, plugins)


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]
)
@pytest.mark.parametrize("content", [BOMB, '{"a":' * 100_000, "", "\udcff", "3"])
def test_json_that_is_none(name: str, content: str, model: Path, plugins: Plugins) -> None:
    (model / name).write_bytes(content.encode(errors="surrogateescape"))

    assert str(model) in refusal(model, plugins)


def header(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(content) if length is None else length) + content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 4,
        header(b"{}", 2**63),
        header(b"{}", 2**40),
        header(BOMB.encode()),
        header(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'),
        header(b'{"a": {"dtype": "F32", "shape": [99999999999], "data_offsets": [0, 4]}}')
        + b"abcd",
        header(b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [-4, 0]}}') + b"abcd",
        header(b"[]"),
        header(b'{"a": 1}'),
    ],
)
def test_safetensors_that_are_none(
    content: bytes, model: Path, saved: Path, plugins: Plugins
) -> None:
    (model / "model.safetensors").write_bytes(content)
    (saved / "masks.safetensors").write_bytes(content)

    assert str(model) in refusal(model, plugins)
    assert "masks.safetensors" in refusal(saved, plugins)


@pytest.mark.parametrize(
    "index",
    [
        {"weight_map": {"a": "../outside.safetensors"}},
        {"weight_map": {"a": "/etc/passwd"}},
        {"weight_map": {"a": "weights.bin"}},
        {"weight_map": {}},
        {"weight_map": 3},
        [],
    ],
)
def test_shards_are_files_of_the_folder(index: Any, model: Path, plugins: Plugins) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text(json.dumps(index))

    assert "model.safetensors.index.json" in refusal(model, plugins)


@pytest.mark.parametrize(
    "cuts",
    [
        {"a": {"shape": [2, 2], "rows": [5], "columns": None}},
        {"a": {"shape": [-1, 2], "rows": [0], "columns": None}},
        {"a": {"shape": [2**40, 2**40], "rows": [0], "columns": None}},
        {"a": {"shape": None, "rows": None, "columns": None}},
        {"a": {"shape": [2, 2], "rows": None, "columns": None}},
        {"a": 3},
        [],
    ],
)
def test_the_shapes_of_a_shrunken_model(cuts: Any, model: Path, plugins: Plugins) -> None:
    (model / "structure.json").write_text(json.dumps(cuts))

    assert "structure.json: not readable" in refusal(model, plugins)


def test_links_of_a_model_folder_are_followed(
    model: Path, plugins: Plugins, tmp_path: Path
) -> None:
    """The hub's cache is made of them."""
    folder = tmp_path / "links"
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).symlink_to(path)

    linked = load_model(ModelSpec(name=str(folder)), plugins)

    assert linked.digest == load_model(ModelSpec(name=str(model)), plugins).digest
