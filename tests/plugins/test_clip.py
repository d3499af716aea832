"""CLIP and SigLIP: embeddings and losses as their papers define them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from harness.errors import RunError
from harness.model import Model
from tests.tiny import make_samples

KINDS = ("clip", "siglip")


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_have_unit_length(
    kind: str, tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    loaded = tiny_model(kind).loaded

    images = loaded.embed_images(make_samples(kind, tmp_path, count=3))
    texts = loaded.embed_texts(["red a b", "c"])

    assert images.shape == (3, 1, texts.shape[1])
    assert images.dtype == texts.dtype == torch.float32
    torch.testing.assert_close(images.norm(dim=-1), torch.ones(3, 1))
    torch.testing.assert_close(texts.norm(dim=-1), torch.ones(2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_embedded_alike_in_any_company(
    kind: str, tiny_model: Callable[[str], Model]
) -> None:
    loaded = tiny_model(kind).loaded

    among_longer = loaded.embed_texts(["red", "a b c d e f"])[:1]

    torch.testing.assert_close(among_longer, loaded.embed_texts(["red"]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_text_is_cut_before_its_end_token(
    kind: str, tiny_model: Callable[[str], Model]
) -> None:
    loaded = tiny_model(kind).loaded

    long, cut = loaded.embed_texts(["a b c d e f g h i j k l", "a b c d e f g"])

    torch.testing.assert_close(long, cut)


def test_the_loss_is_that_of_the_paper(tiny_model: Callable[[str], Model], tmp_path: Path) -> None:
    for kind in KINDS:
        loaded = tiny_model(kind).loaded
        samples = make_samples(kind, tmp_path, count=3)
        images = loaded.embed_images(samples).squeeze(1)
        texts = loaded.embed_texts([sample.target for sample in samples])
        logits = loaded.module.logit_scale.exp() * images @ texts.t()
        if kind == "clip":
            of_images = -logits.log_softmax(dim=1).diagonal().mean()
            of_texts = -logits.log_softmax(dim=0).diagonal().mean()
            expected = (of_images + of_texts) / 2
        else:
            rightness = torch.sigmoid(logits + loaded.module.logit_bias)
            wrong = 1 - rightness
            wrong.diagonal().copy_(rightness.diagonal())
            expected = -wrong.log().sum() / 3

        torch.testing.assert_close(loaded.loss(loaded.collate(samples)), expected)


def test_of_images_together_the_one_that_the_processor_refuses_is_named(
    tiny_model: Callable[[str], Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny_model("clip").loaded
    samples = make_samples("clip", tmp_path, count=3)
    Image.new("RGB", (7, 9)).save(samples[1].image)
    process = loaded._processor

    def refuse_narrow(images: list[Image.Image], **options: object) -> object:
        if any(image.width == 7 for image in images):
            raise ValueError("too narrow")
        return process(images=images, **options)

    monkeypatch.setattr(loaded, "_processor", refuse_narrow)

    with pytest.raises(RunError, match=r"sample 1: .*1\.png, 7 x 9 pixels \(too narrow\)"):
        loaded.embed_images(samples)
