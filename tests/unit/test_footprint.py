"""What a model weighs and what each stage holds, by hand for a small one."""

import json
from pathlib import Path

import pytest

from harness.cli import run_command
from harness.footprint import Work, outline
from harness.plugin.manager import Plugins

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 300,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "tie_word_embeddings": False,
}
#: Four projections and three of the feed-forward part; two norms, two embeddings, a last norm.
BLOCK = 4 * 16 * 16 + 3 * 16 * 24
WEIGHTS = 2 * (BLOCK + 2 * 16) + 2 * 300 * 16 + 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def test_sizes_and_peaks(folder: Path, plugins: Plugins) -> None:
    found = outline(str(folder), plugins, Work(samples=10, tokens=5, batch_size=3))

    rotary = 2 * 4  # inverse frequencies, now and as they were
    assert found.weights == WEIGHTS + rotary
    assert found.prunable == 2 * BLOCK
    peaks = found.peaks(2)
    weights = 2 * (WEIGHTS + rotary)
    assert peaks["load"] == weights + 2 * 300 * 16
    # Inputs and outputs of ten samples; logits of sixteen, with their float32 softmax.
    walk = weights + 10 * 2 * 5 * 16 * 2 + 16 * 5 * 300 * (2 + 8)
    assert peaks["calibrate, walk"] == walk
    layer = 16 * 24
    assert peaks["prune, wanda"] == walk + 2 * BLOCK // 8 + layer * 19
    grams = 4 * (6 * 16**2 + 24**2)
    assert peaks["prune, sparsegpt"] == walk + 2 * BLOCK // 8 + grams + 4 * 4 * 24**2 + layer * 13
    assert peaks["verify"] == weights + 2 * BLOCK // 8 + 4 * layer
    assert peaks["file, save"] == weights + 2 * (2 * BLOCK // 8) + layer
    assert peaks["evaluate"] == weights + 3 * 5 * 300 * 10 + 2 * 3 * 2 * 5 * 16 * 2


CLIP_L = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
LLAVA_7B = {
    "architectures": ["LlavaForConditionalGeneration"],
    "model_type": "llava",
    "image_token_index": 32000,
    "vision_feature_select_strategy": "default",
    "vision_config": CLIP_L,
    "text_config": {
        "model_type": "llama",
        "vocab_size": 32064,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 4096,
    },
}
QWEN2_VL_2B = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "image_token_id": 151655,
    "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 1536},
    "text_config": {
        "vocab_size": 151936,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
    },
}
BLIP2_OPT = {
    "architectures": ["Blip2ForConditionalGeneration"],
    "model_type": "blip-2",
    "image_token_index": 50265,
    "num_query_tokens": 32,
    "vision_config": {"image_size": 224, "patch_size": 14, "num_hidden_layers": 2},
    "qformer_config": {"num_hidden_layers": 2},
    "text_config": {
        "model_type": "opt",
        "vocab_size": 50304,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 150,
    },
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        # 24 x 24 patches; the decoder reads all but the class's token before the text's 128.
        (LLAVA_7B, {"vision": 577, "language-decoder": 576 + 128}),
        # 640 x 480 becomes 644 x 476, 46 x 34 patches of 14 pixels, four to a token.
        (QWEN2_VL_2B, {"vision": 46 * 34, "language-decoder": 46 * 34 // 4 + 128}),
        # 32 queries before the text; no more than the decoder has positions.
        (BLIP2_OPT, {"vision": 257, "bridge": 32, "language-decoder": 150}),
    ],
)
def test_images_are_read_as_tokens(
    config: dict, expected: dict[str, int], folder: Path, plugins: Plugins
) -> None:
    (folder / "config.json").write_text(json.dumps(config))

    found = outline(str(folder), plugins, Work())

    assert {tower.name: found.tokens_of(tower) for tower in found.model.towers} == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # The queries' 32 tokens stand before the prompt; T5's answer has only the text's.
        (
            "blip2-flan-t5-xl",
            {"vision": 257, "bridge": 32, "language-encoder": 160, "language-decoder": 128},
        ),
        # 14 x 14 patches and the class; texts of 77 tokens at most.
        ("clip-vit-b16", {"vision": 197, "language-encoder": 77}),
        ("blip-base", {"vision": 577, "language-decoder": 128}),
    ],
)
def test_tokens_of_bundled_sizes(name: str, expected: dict[str, int], plugins: Plugins) -> None:
    found = outline(name, plugins, Work())

    assert {tower.name: found.tokens_of(tower) for tower in found.model.towers} == expected


def test_peaks_count_the_images_tokens(folder: Path, plugins: Plugins) -> None:
    (folder / "config.json").write_text(json.dumps(LLAVA_7B))

    found = outline(str(folder), plugins, Work())

    # States of 128 samples before and after a block; the logits of sixteen, in bfloat16.
    walk = found.weights * 2 + 128 * 2 * 704 * 4096 * 2 + 16 * 704 * 32064 * (2 + 8)
    assert found.peaks(2)["calibrate, walk"] == walk
    assert found.peaks(2)["prune, wanda"] == walk + found.prunable // 8 + 11008 * 4096 * 19


def test_show_prints_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "show", str(folder), "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["blocks"], shown["layers"], shown["prunable"]) == (2, 14, 2 * BLOCK)
    assert shown["bytes"]["float32"] == 2 * shown["bytes"]["bfloat16"]
    assert list(shown["peaks"]["load"]) == ["float32", "bfloat16"]

    assert run_command(["models", "show", str(folder)]) == 0
    assert "prunable in all" in capsys.readouterr().out


def test_show_of_a_hub_model_needs_its_config_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "show", "no/such-model"]) == 2
    assert "`hf download no/such-model config.json`" in capsys.readouterr().err


def test_show_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "show", "mini-blp2"]) == 2
    assert "did you mean mini-blip2" in capsys.readouterr().err
