"""Heads of BLIP and BLIP-2 that embed images and texts, match pairs and rank answers."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.model import Model
from harness.plugin import Embeds, InputError, Matches
from tests.tiny import make_samples

KINDS = ("blip_retrieval", "blip2_retrieval")


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_and_scores_are_those_of_the_architecture(
    kind: str, tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    loaded = tiny_model(kind).loaded
    [sample] = make_samples(kind, tmp_path, count=1)
    inputs = {
        "pixel_values": loaded._pixels([sample]),
        **loaded._texts([loaded._pair_ids(sample.prompt)]),
    }
    by_head = {"blip_retrieval": "use_itm_head", "blip2_retrieval": "use_image_text_matching_head"}
    with torch.no_grad():
        matched, compared = (
            loaded.module(**inputs, **{by_head[kind]: head}, return_dict=True)
            for head in (True, False)
        )
    logits, similarity = (
        getattr(out, "itm_score", out.get("logits_per_image")) for out in (matched, compared)
    )

    images, texts = loaded.embed_images([sample]), loaded.embed_texts([sample.prompt])

    assert isinstance(loaded, Embeds)
    assert isinstance(loaded, Matches)
    assert images.shape == (1, {"blip_retrieval": 1, "blip2_retrieval": 4}[kind], 16)
    torch.testing.assert_close((images @ texts.t()).max(), similarity.reshape(()))
    torch.testing.assert_close(loaded.match([sample]), logits[:, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_the_same_in_any_company(
    kind: str, tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    loaded = tiny_model(kind).loaded
    samples = make_samples(kind, tmp_path, count=3)
    samples[2] = dataclasses.replace(samples[2], image=samples[0].image)

    alone = torch.cat([loaded.match([sample]) for sample in samples])

    torch.testing.assert_close(loaded.match(samples), alone)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_asks_about_each_image_with_its_own_and_the_next_text(
    kind: str, tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    loaded = tiny_model(kind).loaded
    samples = make_samples(kind, tmp_path, count=3)
    batch = loaded.collate(samples)
    with torch.no_grad():
        states = loaded._image_states(batch["pixel_values"])
        expected = []
        for image, text in ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0)):
            inputs = loaded._texts([loaded._pair_ids(samples[text].target)])
            chances = loaded._pair_logits(states[image : image + 1], **inputs).softmax(dim=1)
            expected.append(-chances[0, int(image == text)].log())

        torch.testing.assert_close(loaded.loss(batch), torch.stack(expected).mean())
        alone = loaded.loss(loaded.collate(samples[:1]))
        torch.testing.assert_close(alone, expected[0])


def test_a_long_text_keeps_its_end(tiny_model: Callable[[str], Model]) -> None:
    ids = tiny_model("blip_retrieval").loaded._text_ids("a b c d e " * 10)

    assert len(ids) == 35
    assert ids[-1] == 1


def test_a_sample_without_an_image_is_named(
    tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    [sample] = make_samples("clip", tmp_path, count=1)

    with pytest.raises(InputError, match="sample 0 has no image"):
        tiny_model("blip_retrieval").loaded.match([dataclasses.replace(sample, image=None)])


def test_the_likeliest_answer_is_ranked_first(
    tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    loaded = tiny_model("blip_vqa").loaded
    samples = make_samples("blip_vqa", tmp_path, count=3)
    answers = ["yes", "no", "red photo", "a b c", "short"]
    expected = []
    # the family's loss smoothed as LAVIS's is; ranking does so whatever the config says
    loaded.module.text_decoder.label_smoothing = 0.1
    for sample in samples:  # the loss of a batch of one, times its number of answer tokens
        losses = [
            loaded.loss(loaded.collate([dataclasses.replace(sample, target=answer)]))
            * (len(answer.split()) + 1)
            for answer in answers
        ]
        expected.append(answers[int(torch.stack(losses).argmin())])
    loaded.module.text_decoder.label_smoothing = 0.0

    assert loaded.rank(samples, answers, tried=len(answers)) == expected


def test_only_answers_with_a_likely_beginning_are_read(
    tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    loaded = tiny_model("blip_vqa").loaded
    samples = make_samples("blip_vqa", tmp_path, count=2)
    answers = ["yes", "no", "red", "short", "photo"]

    [first], [second] = (loaded.rank([sample], answers, tried=1) for sample in samples)

    # one-word answers end alike, so that the likeliest first token decides
    best = [max(answers, key=lambda answer: _first_token(loaded, s, answer)) for s in samples]
    assert [first, second] == best


def _first_token(loaded, sample, answer: str) -> float:
    batch = loaded.collate([dataclasses.replace(sample, target=answer)])
    with torch.no_grad():
        states = loaded._question_states(
            batch["pixel_values"], batch["input_ids"], batch["attention_mask"]
        )
        logits = loaded.module.text_decoder(
            batch["decoder_input_ids"][:, :1], encoder_hidden_states=states
        ).logits
    return float(logits[0, 0, batch["decoder_input_ids"][0, 1]])
