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
    assert peaks["evaluate"] == weights + 3 * 5 * 300 * 10 + 2 * 3 * 2 * 5 * 16 * 2


def test_show_prints_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "show", str(folder), "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["blocks"], shown["layers"], shown["prunable"]) == (2, 14, 2 * BLOCK)
    assert shown["bytes"]["float32"] == 2 * shown["bytes"]["bfloat16"]
    assert list(shown["peaks"]["load"]) == ["float32", "bfloat16"]

    assert run_command(["models", "show", str(folder)]) == 0
    assert "prunable in all" in capsys.readouterr().out


def test_show_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "show", "mini-blp2"]) == 2
    assert "did you mean mini-blip2" in capsys.readouterr().err
