"""Full-size models from their configs alone, and random weights for a small one."""

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from harness.errors import CheckpointError
from harness.footprint import Work, outline
from harness.model import load_model
from harness.pipeline import run
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec, parse_spec
from tests.plugins.tiny_families import TABLE

#: Name -> prunable matrices, blocks with some of them, prunable weights. BLIP-2's are those of
#: ECoFLaP's released budgets; EVA-ViT-g has one block more than BLIP-2's vision tower.
SIZES = {
    "blip2-flan-t5-xl": (588, 87, 3_701_932_032),
    "flan-t5-xl": (432, 48, 2_717_908_992),
    "eva-vit-g": (160, 40, 40 * 25_231_360),
    "llama-7b": (224, 32, 6_476_005_376),
    "clip-vit-b16": (144, 24, 12 * 12 * (768**2 + 512**2)),
    "blip-base": (168, 24, 12 * 12 * 768**2 + 12 * 16 * 768**2),
}


@pytest.mark.parametrize("name", SIZES)
def test_published_sizes(name: str, plugins: Plugins) -> None:
    if name == "eva-vit-g" and find_spec("timm") is None:
        pytest.skip("timm is not installed")

    model = outline(name, plugins, Work()).model

    blocks = {(layer.tower, layer.block) for layer in model.layers}
    assert (len(model.layers), len(blocks), sum(i.numel for i in model.layers)) == SIZES[name]
    assert all(parameter.is_meta for parameter in model.loaded.module.parameters())


def in_lavis(name: str) -> str:
    """A matrix of BLIP-2 FlanT5 as ECoFLaP's files call it."""
    for ours, theirs in (
        ("vision_model.encoder.layers", "visual_encoder.blocks"),
        ("language_model.", "t5_model."),
        ("self_attn.qkv", "attn.qkv"),
        ("self_attn.projection", "attn.proj"),
    ):
        name = name.replace(ours, theirs)
    return f"{name}.weight"


def test_blip2_has_the_matrices_and_blocks_that_the_authors_published(
    plugins: Plugins, conformance: Path
) -> None:
    for name in ("real_blip2_scores.json", "allocator_blip2.json"):
        if not (conformance / name).is_file():
            pytest.skip(f"{conformance} has no {name}")
    scores = json.loads((conformance / "real_blip2_scores.json").read_text())["wanda"]
    blocks = json.loads((conformance / "allocator_blip2.json").read_text())["num_weights"]

    layers = outline("blip2-flan-t5-xl", plugins, Work()).model.layers

    assert {in_lavis(layer.name) for layer in layers} == set(scores)
    for block, numel in blocks.items():
        own = [i.numel for i in layers if in_lavis(i.name).startswith(f"{block}.")]
        assert sum(own) == numel, block


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_a_config_alone_is_enough_for_every_family(
    kind: str, tiny_folder: Callable[[str], Path], plugins: Plugins, tmp_path: Path
) -> None:
    config = (tiny_folder(kind) / "config.json").read_text()
    roomy = re.sub(r'"vocab_size": \d+', '"vocab_size": 300', config)  # a token for every byte
    (tmp_path / "config.json").write_text(roomy)
    spec = ModelSpec(name=str(tiny_folder(kind)))

    bare = outline(str(tmp_path), plugins, Work())

    full = load_model(spec, plugins)
    assert [layer.name for layer in bare.model.layers] == [layer.name for layer in full.layers]


LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 300,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    folder = tmp_path / "sizes"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA))
    return folder


def test_random_weights_are_the_same_every_time_and_leave_the_seed_alone(
    llama: Path, plugins: Plugins
) -> None:
    spec = ModelSpec(name=str(llama), init="random", dtype="bfloat16")
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)

    first, second = load_model(spec, plugins), load_model(spec, plugins)

    assert torch.equal(torch.rand(1), expected)
    assert first.identity == second.identity
    weights = [first.weight(layer) for layer in first.layers]
    assert {weight.dtype for weight in weights} == {torch.bfloat16}
    assert all(0.01 < float(weight.float().std()) < 0.03 for weight in weights)


def test_a_made_tokenizer_has_a_token_a_byte_and_the_models_size(
    llama: Path, plugins: Plugins
) -> None:
    loaded = load_model(ModelSpec(name=str(llama), init="random"), plugins).loaded

    tokenizer = loaded.tokenizer
    assert len(tokenizer) == 300
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (1, 2)
    ids = loaded.encode("ein Käse")
    assert len(ids) == len("ein Käse".encode())
    assert tokenizer.decode(ids) == "ein Käse"


def test_one_token_may_be_two_things(llama: Path, plugins: Plugins) -> None:
    (llama / "config.json").write_text(json.dumps({**LLAMA, "pad_token_id": 2}))

    tokenizer = load_model(ModelSpec(name=str(llama), init="random"), plugins).loaded.tokenizer

    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (2, 2)


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ({"eos_token_id": [2, 5, 9]}, (1, 2, None)),
        ({"eos_token_id": [], "bos_token_id": None, "pad_token_id": None}, (None, None, None)),
        ({"pad_token_id": 4, "eos_token_id": [9_999, 2]}, (1, None, 4)),
    ],
)
def test_of_several_tokens_that_are_one_thing_the_first_is_it(
    given: dict, tokens: tuple, llama: Path, plugins: Plugins
) -> None:
    (llama / "config.json").write_text(json.dumps({**LLAMA, **given}))

    tokenizer = load_model(ModelSpec(name=str(llama), init="random"), plugins).loaded.tokenizer

    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == tokens
    assert outline(str(llama), plugins, Work()).model.layers


def test_weights_are_not_drawn_unless_asked(llama: Path, plugins: Plugins) -> None:
    with pytest.raises(CheckpointError, match=r"no model.safetensors; --init random draws"):
        load_model(ModelSpec(name=str(llama)), plugins)


def test_rows_and_boards_say_that_weights_are_random(
    llama: Path, plugins: Plugins, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.mkdir()
    (text / "ptb.test.txt").write_text("the quick brown fox jumps over the lazy dog " * 60)
    spec = {
        "model": {"name": str(llama), "init": "random"},
        "pruners": [{"recipe": "magnitude"}],
        "tasks": [{"name": "ptb"}],
        "data": {"folders": {"ptb": str(text)}},
        "results": str(tmp_path / "results"),
    }

    outcome = run(parse_spec(spec), plugins)

    assert outcome.failures == []
    assert {board.model for board in outcome.boards} == {"sizes (random weights)"}
    assert [row.name for row in outcome.boards[0].rows] == ["dense", "magnitude"]
