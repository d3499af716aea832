"""How language models are prompted and calibrated, alone and behind an image."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.errors import InputError
from harness.model import Model, load_model
from harness.plugin import Generation
from harness.plugin.manager import Plugins
from harness.spec import ImageSpec, ModelSpec
from tests.plugins.tiny_families import TABLE
from tests.tiny import VOCABULARY, make_samples

MakeModel = Callable[[str], Model]
END, PAD, IMAGE = VOCABULARY["</s>"], VOCABULARY["<pad>"], VOCABULARY["<image>"]


def ids(words: str) -> list[int]:
    return [VOCABULARY[word] for word in words.split()]


def test_t5_reads_the_prompt_and_says_the_target(tiny_model: MakeModel, tmp_path: Path) -> None:
    loaded = tiny_model("t5").loaded
    [sample] = make_samples("t5", tmp_path, count=1)

    batch = loaded.collate([dataclasses.replace(sample, prompt="a b", target="c d e")])

    assert batch["input_ids"].tolist() == [[*ids("a b"), END]]
    assert batch["labels"].tolist() == [[*ids("c d e"), END]]


def test_t5_goes_on_with_a_text_that_has_no_prompt(tiny_model: MakeModel, tmp_path: Path) -> None:
    loaded = tiny_model("t5").loaded
    [sample] = make_samples("t5", tmp_path, count=1)

    batch = loaded.collate([dataclasses.replace(sample, prompt="", target="a b c d e")])

    assert batch["input_ids"].tolist() == [[*ids("a b c"), END]]
    assert batch["labels"].tolist() == [[*ids("d e"), END]]


@pytest.mark.parametrize("kind", ["t5", "blip2_opt", "instructblip_opt", "llava", "qwen2_5_vl"])
def test_an_answer_is_the_same_in_any_company(
    kind: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    """Prompts of several lengths are padded, on the side where they do not end."""
    loaded = tiny_model(kind).loaded
    samples = make_samples(kind, tmp_path, count=3)
    generation = Generation(max_new_tokens=3)

    alone = [loaded.generate([sample], generation)[0] for sample in samples]

    assert loaded.generate(samples, generation) == alone


def test_the_loss_of_a_decoder_is_that_of_the_target_alone(
    tiny_model: MakeModel, tmp_path: Path
) -> None:
    loaded = tiny_model("llava").loaded
    [sample] = make_samples("llava", tmp_path, count=1)
    batch = loaded.collate([sample])
    length = len(sample.target.split()) + 1
    with torch.no_grad():
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        logits = loaded.module(**inputs).logits[0, -length - 1 : -1]
        targets = torch.tensor([*ids(sample.target), END])
        expected = torch.nn.functional.cross_entropy(logits, targets)

        torch.testing.assert_close(loaded.loss(batch), expected)


def test_an_image_takes_as_many_tokens_as_the_model_reads(
    tiny_model: MakeModel, tmp_path: Path
) -> None:
    """LLaVA: 32 / 16 squared. Qwen2-VL: patches of 8, of which 2 x 2 make one token."""
    for kind in ("llava", "qwen2_vl"):
        loaded = tiny_model(kind).loaded
        [row], _ = loaded._read(make_samples(kind, tmp_path, count=1))

        assert row.count(IMAGE) == 4


def test_a_turn_is_worded_by_the_chat_template(tiny_model: MakeModel) -> None:
    assert tiny_model("llava").loaded._turn("red ?") == "USER: <image>\nred ? ASSISTANT:"
    assert tiny_model("qwen2_vl").loaded._turn("red ?").startswith("question : ? <image>")


def test_a_prompt_cannot_smuggle_in_an_image(tiny_model: MakeModel, tmp_path: Path) -> None:
    [sample] = make_samples("llava", tmp_path, count=1)

    with pytest.raises(InputError, match="sample 0: its turn holds <image> 2 times, not once"):
        tiny_model("llava").loaded.collate([dataclasses.replace(sample, prompt="a <image> b")])


def test_a_chat_models_images_are_its_processors_business(
    tiny_folder: Callable[[str], Path], plugins: Plugins
) -> None:
    images = ImageSpec(short=40, crop=32, mean=(0, 0, 0), std=(1, 1, 1))

    with pytest.raises(InputError, match="leave out --images"):
        load_model(ModelSpec(name=str(tiny_folder("llava")), images=images), plugins)


@pytest.mark.parametrize("settings", [{"repetition_penalty": 90.0}, {"suppress_tokens": [5, 6, 7]}])
def test_what_a_folder_says_of_generation_is_obeyed_and_part_of_the_model(
    settings: dict[str, object], plugins: Plugins, tmp_path: Path
) -> None:
    TABLE["llava"][1](tmp_path)
    before = asked(tmp_path, plugins)
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))

    after = asked(tmp_path, plugins)

    assert after[1]["generation"] != before[1]["generation"]
    assert {name for name in after[1] if after[1][name] != before[1].get(name)} == {"generation"}
    if "repetition_penalty" in settings:
        assert after[0] != before[0]


def test_nothing_is_sampled_whatever_a_folder_says(plugins: Plugins, tmp_path: Path) -> None:
    TABLE["llava"][1](tmp_path)
    before = asked(tmp_path, plugins)
    path = tmp_path / "generation_config.json"
    sampling = {"do_sample": True, "temperature": 9.0, "top_k": 3, "top_p": 0.5, "max_length": 7}
    path.write_text(json.dumps(json.loads(path.read_text()) | sampling))

    assert asked(tmp_path, plugins) == before


def asked(folder: Path, plugins: Plugins) -> tuple[list[str], dict[str, str]]:
    """What a model says, and what identifies it besides its weights."""
    loaded = load_model(ModelSpec(name=str(folder)), plugins).loaded
    images = folder / "images"
    images.mkdir(exist_ok=True)
    samples = make_samples("llava", images, count=3)
    return loaded.generate(samples, Generation(max_new_tokens=8)), dict(loaded.files())
