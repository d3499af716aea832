"""Decoders that were taken from their encoders: their cross-attention never runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from harness.calibration import CalibrationSet
from harness.errors import RunError
from harness.model import Model, load_model
from harness.plugin import Sample
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from harness.walk import TowerWalk
from tests.tiny import save_tokenizer, spread

SIZES = {
    "d_model": 24,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "pad_token_id": 0,
    "bos_token_id": 4,
    "eos_token_id": 1,
    "decoder_start_token_id": 1,
    "suppress_tokens": [],
    "begin_suppress_tokens": [],
}
KINDS = (
    "Bart BigBirdPegasus Blenderbot BlenderbotSmall Marian MBart Pegasus PLBart TrOCR Whisper"
).split()
LENGTH = 32


def decoder(kind: str, folder: Path, plugins: Plugins) -> Model:
    lengths = {"max_position_embeddings": LENGTH}
    if kind == "Whisper":
        lengths = {"max_target_positions": LENGTH, "max_source_positions": LENGTH}
    config: Any = getattr(transformers, f"{kind}Config")(
        vocab_size=save_tokenizer(folder), **SIZES, **lengths
    )
    made = getattr(transformers, f"{kind}ForCausalLM")(config)
    spread(made).save_pretrained(folder)
    return load_model(ModelSpec(name=str(folder)), plugins)


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_that_may_be_pruned_has_statistics(
    kind: str, tmp_path: Path, plugins: Plugins
) -> None:
    model = decoder(kind, tmp_path, plugins)
    batches = CalibrationSet("tiny", [Sample(id="0", target="a b c d e")]).batches(model, size=1)
    layers = [name for name, _ in model.loaded.module.named_modules() if "encoder_attn" in name]

    found = {
        name: statistics
        for visit in TowerWalk(model, model.towers[0], batches)
        for name, statistics in visit.statistics({"input_sq"}).items()
    }

    assert layers
    assert not [name for name in found if "encoder_attn" in name]
    assert set(found) == {layer.name for layer in model.layers}
    assert all(bool(statistics.input_sq.sum() > 0) for statistics in found.values())
    assert model.loaded.context == LENGTH


def test_a_layer_that_never_runs_is_named(tmp_path: Path, plugins: Plugins) -> None:
    model = decoder("Bart", tmp_path, plugins)
    model.loaded.prunable = lambda name: True
    lost = Model(spec=model.spec, family=model.family, loaded=model.loaded, identity=model.identity)
    batches = CalibrationSet("tiny", [Sample(id="0", target="a b c")]).batches(lost, size=1)
    visit = next(iter(TowerWalk(lost, lost.towers[0], batches)))

    with pytest.raises(RunError, match=r"layers\.0\.encoder_attn\.\w+ reads no token") as error:
        visit.statistics({"input_sq"})
    assert "\n" not in str(error.value)


def test_padding_alone_is_no_token(tmp_path: Path, plugins: Plugins) -> None:
    model = decoder("Bart", tmp_path, plugins)
    [batch] = CalibrationSet("tiny", [Sample(id="0", target="a b c")]).batches(model, size=1)
    mask = batch["attention_mask"]
    model.loaded.token_masks = lambda _: {"language-decoder": torch.zeros_like(mask).bool()}
    visit = next(iter(TowerWalk(model, model.towers[0], [batch])))

    with pytest.raises(RunError, match="reads no token of the calibration data"):
        visit.statistics({"gram"})
