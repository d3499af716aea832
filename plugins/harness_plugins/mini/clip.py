"""``mini-clip``: a CLIP of a million weights that learns which texts belong to which scene.

DATA holds ``train2014/``, COCO captions, dense descriptions, and the class names that are true of
each image. A step compares its images with one sentence and with one class name each. Many images
share a class name, so a name counts as right for every image of the batch that it is true of.
Unknown words surround half of the names: a prompt's words that the world lacks ("a centered
satellite photo of") are all ``<unk>``, and are to leave the model cold.
"""

import math
import random
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
)

from harness_plugins.mini.miniature import Recipe
from harness_plugins.mini.world import (
    EOS,
    PAD,
    UNK,
    build_tokenizer,
    normalised,
    pad,
    read_captions,
    read_pixels,
)

WIDTH, HEADS, HIDDEN, PATCH = 128, 4, 256, 12
VISION_BLOCKS, TEXT_BLOCKS, TOKENS = 4, 3, 64
IMAGES_PER_STEP = 128
HELD_OUT = 800
#: Share of images that a caption stands for, where they have one; otherwise the description does.
CAPTIONED = 0.7
OPENINGS = ("", "a", "the", "a photo of", "a photo of a", "a photo of the", "a picture of a")
#: The name of every image that shows one thing; its first name is color and shape.
SINGLE = "1 object"


def build_model(vocabulary: int, image_size: int) -> CLIPModel:
    shape = {
        "hidden_size": WIDTH,
        "intermediate_size": HIDDEN,
        "num_attention_heads": HEADS,
        "projection_dim": WIDTH,
    }
    text = CLIPTextConfig(
        **shape,
        vocab_size=vocabulary,
        num_hidden_layers=TEXT_BLOCKS,
        max_position_embeddings=TOKENS,
        pad_token_id=PAD,
        bos_token_id=EOS,
        eos_token_id=EOS,
    )
    vision = CLIPVisionConfig(
        **shape, num_hidden_layers=VISION_BLOCKS, image_size=image_size, patch_size=PATCH
    )
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH
    )
    model = CLIPModel(config)
    initialise(model)
    model.set_attn_implementation("eager")  # its backward is 1.5 times faster on a CPU here
    return model


@torch.no_grad()
def initialise(model: CLIPModel) -> None:
    """Draw matrices at 0.7 / sqrt(fan_in), positions at 0.1, words at 0.5, as in ``mini-blip2``."""
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.normal_(0, 0.7 / math.sqrt(parameter.shape[1]))
    text, vision = model.text_model.embeddings, model.vision_model.embeddings
    text.token_embedding.weight.normal_(0, 0.5)
    for embedding in (text.position_embedding, vision.position_embedding):
        embedding.weight.normal_(0, 0.1)
    patches = vision.patch_embedding.weight
    patches.normal_(0, patches[0].numel() ** -0.5)


class Clip:
    """Two symmetric cross-entropies: images against sentences, and against class names."""

    recipe: ClassVar[Recipe] = Recipe(steps=2000, learning_rate=1e-3, every=100)

    def __init__(self, data: Path, device: torch.device) -> None:
        self._device = device
        self._pixels = read_pixels(data / "train2014")
        kinds = {
            kind: read_captions(data / f"{kind}_train2014.json")
            for kind in ("captions", "descriptions", "classes")
        }
        texts = [text for kind in kinds.values() for own in kind.values() for text in own]
        self._tokenizer = build_tokenizer([*texts, *OPENINGS, "."])
        self._captions, self._descriptions, self._names = kinds.values()
        self._shown_by = Counter(name for own in self._names.values() for name in own)
        size = self._pixels.shape[-1]
        self._processor = CLIPImageProcessor(
            size={"shortest_edge": size}, crop_size={"height": size, "width": size}
        )
        self.model = build_model(len(self._tokenizer), size).to(device)

    @property
    def companions(self) -> list[Any]:
        return [self._tokenizer, self._processor]

    def loss(self, step: int, draw: random.Random) -> Tensor:
        """Mean of the two losses of a step, ()."""
        images = draw.sample(range(1, len(self._pixels) - HELD_OUT + 1), IMAGES_PER_STEP)
        names = [self._name(image, draw) for image in images]
        true = torch.tensor([[name in self._names[image] for name in names] for image in images])
        sentences = self._ids([self._sentence(image, draw) for image in images])
        prompts = self._ids([_prompt(name, draw) for name in names])
        seen = self.model.logit_scale.exp() * self._embed_images(images)
        read = self._embed_texts(sentences + [_surrounded(row, draw) for row in prompts])
        of_sentences, of_names = read[: len(images)], read[len(images) :]
        pairs = torch.eye(len(images), device=self._device)
        losses = _contrast(seen @ of_sentences.T, pairs), _contrast(seen @ of_names.T, true)
        return torch.stack(losses).mean()

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Recall at 1 of images by caption, and top-1 of color and shape of single things."""
        held_out = range(len(self._pixels) - HELD_OUT + 1, len(self._pixels) + 1)
        captioned = [image for image in held_out if image in self._captions]
        captions = self._ids([self._captions[image][0] for image in captioned])
        single = [image for image in held_out if SINGLE in self._names[image]]
        named = [self._names[image][0] for image in single]
        classes = sorted(set(named))
        prompts = self._ids([f"a photo of a {name}." for name in classes])
        found = self._best(self._embed_texts(captions), self._embed_images(captioned))
        called = self._best(self._embed_images(single), self._embed_texts(prompts))
        return {
            "recall": _share(found, list(range(len(captioned)))),
            "zero-shot": _share(called, [classes.index(name) for name in named]),
        }

    def _sentence(self, image: int, draw: random.Random) -> str:
        told = image in self._captions and draw.random() < CAPTIONED
        return draw.choice((self._captions if told else self._descriptions)[image])

    def _name(self, image: int, draw: random.Random) -> str:
        """A name of the image; rare ones tell more and are drawn more often."""
        names = self._names[image]
        return draw.choices(names, [self._shown_by[name] ** -0.5 for name in names])[0]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        rows: list[list[int]] = self._tokenizer(texts).input_ids
        return rows

    def _embed_images(self, images: list[int]) -> Tensor:
        """Unit-length features (image, width); image ids begin at 1."""
        pixels = self._pixels[[image - 1 for image in images]].to(self._device)
        features = self.model.get_image_features(pixel_values=normalised(pixels, self._processor))
        return nn.functional.normalize(features.pooler_output.float(), dim=-1)

    def _embed_texts(self, rows: list[list[int]]) -> Tensor:
        """Unit-length features (text, width)."""
        ids = pad(rows, PAD).to(self._device)
        features = self.model.get_text_features(input_ids=ids, attention_mask=(ids != PAD).long())
        return nn.functional.normalize(features.pooler_output.float(), dim=-1)

    @staticmethod
    def _best(queries: Tensor, gallery: Tensor) -> list[int]:
        best: list[int] = (queries @ gallery.T).argmax(dim=1).tolist()
        return best


def _prompt(name: str, draw: random.Random) -> str:
    return f"{draw.choice(OPENINGS)} {name}{draw.choice(('', '.'))}"


def _surrounded(row: list[int], draw: random.Random) -> list[int]:
    """The tokens of a prompt with up to four unknown words before and after, in half the cases."""
    before, after = (draw.choice((0, 0, 0, 0, 1, 2, 3, 4)) for _ in range(2))
    return [*[UNK] * before, *row[:-1], *[UNK] * after, EOS]


def _contrast(logits: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy along rows and columns (n, n); right answers of a row share its weight."""
    right = right.to(logits)
    return (
        nn.functional.cross_entropy(logits, right / right.sum(dim=1, keepdim=True))
        + nn.functional.cross_entropy(logits.T, right.T / right.T.sum(dim=1, keepdim=True))
    ) / 2


def _share(found: list[int], right: list[int]) -> float:
    return sum(a == b for a, b in zip(found, right, strict=True)) / len(right)
