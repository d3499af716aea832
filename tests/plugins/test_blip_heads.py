"""What is BLIP's own: the token that says that an image is seen, and two images per text."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.errors import InputError
from harness.model import Model
from harness.plugin import Generation, Judges
from tests.tiny import make_samples

MakeModel = Callable[[str], Model]


def test_a_grounded_text_starts_with_enc_where_the_vocabulary_has_it(tiny_model: MakeModel) -> None:
    """transformers' folders end with [DEC] and [ENC], of which the tokenizer knows nothing."""
    loaded = tiny_model("blip_vqa").loaded
    assert loaded._grounded([7, 8]) == [7, 8]

    loaded._text = copy.copy(loaded._text)
    loaded._text.bos_token_id = loaded._text.vocab_size - 2

    assert loaded._grounded([7, 8]) == [loaded._text.vocab_size - 1, 8]


def test_two_like_images_read_by_like_halves_are_read_as_one(
    tiny_model: MakeModel, tmp_path: Path
) -> None:
    """As LAVIS starts: both cross-attentions copies of the one, their outputs averaged."""
    one, two = tiny_model("blip_retrieval").loaded.module, tiny_model("blip_nlvr").loaded.module
    blocks = zip(one.text_encoder.encoder.layer, two.text_encoder.encoder.layer, strict=True)
    with torch.no_grad():
        for single, twin in blocks:
            cross = single.crossattention
            twin.crossattention.self0 = twin.crossattention.self1 = cross.self
            twin.crossattention.output.dense0 = cross.output.dense
            twin.crossattention.output.dense1 = cross.output.dense
            twin.crossattention.output.merge_layer = None
            twin.crossattention.output.LayerNorm = cross.output.LayerNorm
            twin.attention, twin.intermediate = single.attention, single.intermediate
            twin.output = single.output
        two.text_encoder.embeddings = one.text_encoder.embeddings
        two.vision_model, two.cls_head = one.vision_model, nn.Identity()
        pixels = torch.randn(1, 3, 32, 32)
        ids = torch.tensor([[6, 7, 8]])

        twice = two(pixel_values=pixels.repeat(2, 1, 1, 1), input_ids=ids, attention_mask=None)
        once = one.text_encoder(
            input_ids=ids,
            encoder_hidden_states=one.vision_model(pixels).last_hidden_state,
        )

    torch.testing.assert_close(twice, once.last_hidden_state[:, 0])


def test_left_and_right_are_told_apart(tiny_model: MakeModel, tmp_path: Path) -> None:
    loaded = tiny_model("blip_nlvr").loaded
    samples = make_samples("blip_nlvr", tmp_path, count=3)
    swapped = [
        dataclasses.replace(sample, image=sample.second_image, second_image=sample.image)
        for sample in samples
    ]

    with torch.no_grad():
        logits, other = (loaded.module(**loaded._inputs(given)) for given in (samples, swapped))

    assert isinstance(loaded, Judges)
    assert not torch.allclose(logits, other, atol=1e-4)
    assert loaded.judge(samples) == (logits[:, 1] > logits[:, 0]).tolist()
    assert [loaded.judge([sample])[0] for sample in samples] == loaded.judge(samples)


def test_a_lonely_image_is_named(tiny_model: MakeModel, tmp_path: Path) -> None:
    [sample] = make_samples("blip_retrieval", tmp_path, count=1)

    with pytest.raises(InputError, match="sample 0 has no second image"):
        tiny_model("blip_nlvr").loaded.judge([sample])


def test_a_verdict_to_learn_from_is_yes_or_no(tiny_model: MakeModel, tmp_path: Path) -> None:
    [sample] = make_samples("blip_nlvr", tmp_path, count=1)

    with pytest.raises(InputError, match="sample 0 has target 'true', not yes or no; nlvr2-train"):
        tiny_model("blip_nlvr").loaded.collate([dataclasses.replace(sample, target="true")])


@pytest.mark.parametrize("prompt", ["", "a b c"])
def test_beams_are_divided_by_a_length_with_the_prompt(
    prompt: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    """Beams for all texts of two tokens: the best is found by trying them all.

    At 0.3 behind a prompt it would be another, if the prompt did not count.
    """
    loaded: Any = tiny_model("blip_caption").loaded
    sample = dataclasses.replace(make_samples("blip_caption", tmp_path, 1)[0], prompt=prompt)
    start, end = loaded._prompt_ids(sample), loaded._text.sep_token_id
    seen = loaded.module.vision_model(loaded._pixels([sample])).last_hidden_state

    @torch.no_grad()
    def next_scores(ids: list[int]) -> Tensor:
        logits = loaded.module.text_decoder(torch.tensor([ids]), encoder_hidden_states=seen).logits
        scores: Tensor = logits[0, -1].log_softmax(dim=0)
        return scores

    first = next_scores(start)
    texts = {(end,): (float(first[end]), len(start))}
    for word in set(range(len(first))) - {end}:
        second = next_scores([*start, word])
        for other in range(len(first)):
            total = float(first[word] + second[other])
            texts[word, other] = (total, len(start) + 1)

    for penalty in (-1.0, 0.3, 1.0):
        best = max(texts, key=lambda ids: texts[ids][0] / texts[ids][1] ** penalty)
        generation = Generation(
            num_beams=len(first), max_new_tokens=2, length_penalty=penalty, min_length=0
        )
        [made] = loaded.generate([sample], generation)
        assert made == loaded._tokenizer.decode(best, skip_special_tokens=True).strip(), penalty
