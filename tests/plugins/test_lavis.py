"""LAVIS's checkpoints become our folders and come back bit for bit."""

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from harness.cli import run_command
from harness.model import load_model
from harness.plugin import CheckpointError, InputError, ModelSpec
from harness.plugin.manager import Plugins
from harness_plugins.lavis.folders import export_checkpoint, import_checkpoint
from harness_plugins.lavis.names import KINDS
from tests.lavis_checkpoints import GIVEN, HEADS, State, random_state

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


Import = Callable[..., Path]


@pytest.fixture
def imported(tmp_path: Path, word_list: Path) -> Import:
    """The folder made of a state dict, wrapped or bare."""

    def make(content: Any, name: str = "blip2_t5", given: Any = None) -> Path:
        torch.save(content, tmp_path / "checkpoint.pth")
        import_checkpoint(
            [tmp_path / "checkpoint.pth"],
            tmp_path / "ours",
            tokenizer=word_list,
            given=GIVEN.get(name, HEADS) if given is None else given,
        )
        return tmp_path / "ours"

    return make


@kinds
@pytest.mark.parametrize("is_wrapped", [True, False])
def test_there_and_back(kind: Any, is_wrapped: bool, imported: Import, tmp_path: Path) -> None:
    state = random_state(kind.name)
    folder = imported({"model": state, "epoch": 1} if is_wrapped else state, kind.name)

    notes = export_checkpoint(folder, tmp_path / "back.pth", base=None)

    back = torch.load(tmp_path / "back.pth", weights_only=True)
    assert list(back) == (["model"] if is_wrapped else list(state))
    back = back["model"] if is_wrapped else back
    assert list(back) == list(state)
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype, name
        assert torch.equal(back[name], tensor), name
    assert notes == []


@kinds
def test_our_class_has_every_tensor_and_no_other(kind: Any, imported: Import) -> None:
    state = random_state(kind.name)
    model, report = kind.our_class.from_pretrained(
        imported(state, kind.name), output_loading_info=True, dtype=torch.float32
    )

    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    held = model.state_dict()
    for name, tensor in state.items():
        found = kind.ours(name)
        if found in held and not kind.is_beside(name):
            assert torch.equal(held[found], tensor.float()), name


def test_biases_are_packed_with_zeros_for_keys(imported: Import) -> None:
    state = random_state("blip2_t5")
    spec = {"output_loading_info": False, "dtype": torch.float32}

    model = transformers.Blip2ForConditionalGeneration.from_pretrained(imported(state), **spec)

    attention = "visual_encoder.blocks.1.attn."
    query, value = state[f"{attention}q_bias"].float(), state[f"{attention}v_bias"].float()
    bias = model.vision_model.encoder.layers[1].self_attn.qkv.bias
    assert torch.equal(bias, torch.cat([query, torch.zeros(24), value]))
    head, shared = model.language_model.lm_head.weight, model.language_model.shared.weight
    assert torch.equal(head, state["t5_model.lm_head.weight"])
    assert not torch.equal(head, shared)


@pytest.mark.parametrize("name", ["blip2_t5", "blip_vqa", "blip_caption", "blip_nlvr"])
def test_our_families_load_the_folder(name: str, imported: Import, plugins: Plugins) -> None:
    model = load_model(ModelSpec(name=str(imported(random_state(name), name))), plugins)

    assert model.family == name.partition("_")[0]


def test_a_pruned_model_goes_back_on_the_base_it_came_from(
    imported: Import, tmp_path: Path, plugins: Plugins
) -> None:
    state = random_state("blip2_t5")
    base = imported(state)
    model = load_model(ModelSpec(name=str(base)), plugins)
    layer = model.layers[0]
    model.weight(layer)[:, ::2] = 0
    model.loaded.save(tmp_path / "pruned")

    export_checkpoint(tmp_path / "pruned", tmp_path / "pruned.pth", base=base)

    back = torch.load(tmp_path / "pruned.pth", weights_only=True)
    assert list(back) == list(state)
    changed = {name for name in state if not torch.equal(back[name].float(), state[name].float())}
    assert changed == {"visual_encoder.blocks.0.attn.qkv.weight"}
    assert not back["visual_encoder.blocks.0.attn.qkv.weight"][:, ::2].any()


def test_without_a_base_the_rest_is_complete_and_it_is_said(
    imported: Import, tmp_path: Path, plugins: Plugins
) -> None:
    state = random_state("blip2_t5")
    load_model(ModelSpec(name=str(imported(state))), plugins).loaded.save(tmp_path / "saved")

    notes = export_checkpoint(tmp_path / "saved", tmp_path / "back.pth", base=None)

    back = torch.load(tmp_path / "back.pth", weights_only=True)["model"]
    assert state.keys() - back.keys() == {"Qformer.bert.embeddings.position_ids"}
    assert notes == ["without a base: Qformer.bert.embeddings.position_ids left out"]


def test_biases_that_keys_got_by_training_are_left_out_with_a_note(
    imported: Import, tmp_path: Path, plugins: Plugins
) -> None:
    model = load_model(ModelSpec(name=str(imported(random_state("blip2_t5")))), plugins)
    module: Any = model.loaded.module
    module.vision_model.encoder.layers[1].self_attn.qkv.bias.detach()[24:48] = 1
    model.loaded.save(tmp_path / "trained")

    notes = export_checkpoint(tmp_path / "trained", tmp_path / "back.pth", base=None)

    assert notes[0].startswith(
        "vision_model.encoder.layers.1.self_attn.qkv.bias: no biases of keys"
    )


def test_parts_in_files_of_their_own(word_list: Path, tmp_path: Path) -> None:
    """As LAVIS keeps them: EVA-CLIP with a 40th block and heads, T5 as a folder."""
    state = random_state("blip2_t5")
    prefix, language = "visual_encoder.", "t5_model."
    vision = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    vision |= {"blocks.39.norm1.weight": torch.ones(24), "norm.weight": torch.ones(24)}
    torch.save(vision, tmp_path / "eva_vit_g.pth")
    config = transformers.T5Config(
        vocab_size=18,
        d_model=16,
        d_kv=4,
        d_ff=20,
        num_layers=1,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    t5 = transformers.T5ForConditionalGeneration(config)
    t5.lm_head.weight = torch.nn.Parameter(state["t5_model.lm_head.weight"])
    own = {n.removeprefix(language): t for n, t in state.items() if n.startswith(language)}
    t5.load_state_dict(own)
    t5.save_pretrained(tmp_path / "t5")
    for file in word_list.iterdir():
        (tmp_path / "t5" / file.name).write_bytes(file.read_bytes())
    rest = {n: t for n, t in state.items() if not n.startswith((prefix, language))}
    torch.save({"model": rest}, tmp_path / "blip2.pth")

    sources = [tmp_path / name for name in ("t5", "eva_vit_g.pth", "blip2.pth")]
    import_checkpoint(sources, tmp_path / "ours", tokenizer=None, given=GIVEN["blip2_t5"])

    export_checkpoint(tmp_path / "ours", tmp_path / "back.pth", base=None)
    back = torch.load(tmp_path / "back.pth", weights_only=True)["model"]
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items() if name in back)
    text = json.loads((tmp_path / "ours" / "config.json").read_text())["text_config"]
    assert (text["dense_act_fn"], text["scale_decoder_outputs"]) == ("gelu", False)


def without(name: str) -> Callable[[State], Any]:
    return lambda state: {k: v for k, v in state.items() if k != name}


def as_type(dtype: torch.dtype) -> Callable[[State], Any]:
    return lambda state: {**state, "t5_proj.weight": state["t5_proj.weight"].to(dtype)}


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # torch 2.11
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (without("t5_proj.bias"), "a blip2_t5 without t5_proj.bias"),
        (without("visual_encoder.pos_embed"), "a blip2_t5 without visual_encoder.pos_embed"),
        (
            without("visual_encoder.blocks.0.attn.v_bias"),
            "without visual_encoder.blocks.0.attn.v_b",
        ),
        (lambda s: {**s, "extra.weight": torch.ones(1)}, "unexpected tensor extra.weight"),
        (
            lambda s: {**s, "Qformer.bert.encoder.layer.1.x": torch.ones(1)},
            "unexpected tensor Qformer.bert.encoder.layer.1.x",
        ),
        (lambda s: {**s, "ln_vision.weight": torch.ones(3)}, r"ln_vision.weight is \(3,\)"),
        (
            lambda s: {**s, "t5_model.encoder.embed_tokens.weight": torch.ones(18, 16)},
            "is not equal to t5_model.shared.weight",
        ),
        (lambda s: {"a": torch.ones(1)}, "not a model of LAVIS that has a table of names"),
        (lambda s: {"model": {"a": 1}}, "a is a int, not a tensor"),
        (lambda s: [1], 'holds a list; a state dict, or {"model": state dict}, is wanted'),
        (lambda s: {}, "holds an empty dict; a state dict, "),
        (lambda s: {"state_dict": s}, 'state_dict is a dict, not a tensor; .*{"model": '),
        (
            lambda s: {"model": s, "a": Namespace()},
            "it holds a argparse.Namespace; .* else is read",
        ),
        (lambda s: {**s, 7: torch.ones(1)}, "key 7 is a int, not a name"),
        (as_type(torch.int8), "t5_proj.weight is int8; weights are float16, bfloat16, fl"),
        (as_type(torch.complex64), "t5_proj.weight is complex64; weights are float16"),
        (as_type(torch.int64), "t5_proj.weight is int64; weights are float16"),
        (
            lambda s: {**s, "t5_proj.weight": s["t5_proj.weight"].to_sparse()},
            "t5_proj.weight is torch.sparse_coo; dense tensors are read",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_written(
    broken: Callable[[State], Any], message: str, imported: Import, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        imported(broken(random_state("blip2_t5")))

    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pth"]


def test_a_number_of_heads_that_does_not_follow_has_to_be_given(imported: Import) -> None:
    with pytest.raises(InputError, match=r"num_attention_heads .* give it in --config"):
        imported(random_state("blip2_t5"), given={})


def test_the_command_line_goes_there_and_back(
    word_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = random_state("blip2_t5")
    files = [str(tmp_path / name) for name in ("lavis.pth", "ours", "heads.json", "back.pth")]
    torch.save(state, files[0])
    Path(files[2]).write_text(json.dumps(GIVEN["blip2_t5"]))

    importing = ["lavis", "import", files[0], "--to", files[1], "--tokenizer", str(word_list)]
    assert run_command([*importing, "--config", files[2]]) == 0
    assert run_command(["lavis", "export", files[1], "--to", files[3]]) == 0

    back = torch.load(files[3], weights_only=True)
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())
    assert "blip2_t5: " in capsys.readouterr().out
    assert run_command([*importing, "--config", files[2]]) == 2
    Path(files[2]).write_text("vision_config: 16")
    assert run_command([*importing[:-3], files[3] + "s", "--config", files[2]]) == 2
    assert "vision_config is 16" in capsys.readouterr().err


def test_a_damaged_or_partial_pruned_folder_is_not_exported(
    imported: Import, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, full, masks = imported(random_state("blip2_t5")), tmp_path / "full", tmp_path / "masks"
    target = tmp_path / "back.pth"
    results = ("--results", str(tmp_path / "r"))
    pruning = ["prune", "--pruner", "magnitude", "--model", str(base), *results]
    assert run_command([*pruning, "--save", str(full)]) == 0
    assert run_command(["export", str(full), "--to", "masks", "--save", str(masks)]) == 0
    exporting = ("lavis", "export", "--base", str(base), "--to")
    assert run_command([*exporting, str(tmp_path / "good.pth"), str(full)]) == 0
    either = ["export", str(full), "--to", "lavis", "--base", str(base)]
    assert run_command([*either, "--save", str(tmp_path / "same.pth")]) == 0
    good, same = (torch.load(tmp_path / f"{name}.pth") for name in ("good", "same"))
    assert list(good) == list(same)
    assert all(torch.equal(tensor, same[name]) for name, tensor in good.items())
    content = bytearray((full / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (full / "model.safetensors").write_bytes(content)
    capsys.readouterr()

    for folder, message in ((full, " has other bytes than were saved"), (masks, "--to hf --save")):
        assert run_command([*exporting, str(target), str(folder)]) == 2
        assert message in capsys.readouterr().err
    assert not target.exists()


def test_a_target_that_cannot_be_written_is_refused(
    imported: Import, word_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = imported(random_state("blip2_t5"))
    checkpoint = str(tmp_path / "checkpoint.pth")
    for words in (
        ("export", str(folder), "--to", "/proc/x.pth"),
        ("import", checkpoint, "--to", "/proc/x", "--tokenizer", str(word_list)),
        ("import", checkpoint, "--to", f"{checkpoint}/x", "--tokenizer", str(word_list)),
    ):
        assert run_command(["lavis", *words]) == 2
        assert "cannot be written there " in capsys.readouterr().err


def test_nothing_is_overwritten(imported: Import, tmp_path: Path) -> None:
    folder = imported(random_state("blip2_t5"))
    (tmp_path / "there.pth").write_text("mine")

    with pytest.raises(InputError, match="nothing is overwritten"):
        export_checkpoint(folder, tmp_path / "there.pth", base=None)
    with pytest.raises(CheckpointError, match="nothing is overwritten"):
        imported(random_state("blip2_t5"))
