"""The training split in memory: pixels, token ids, and the texts of one step.

Read from the folder's files alone, which are in the formats of VQAv2 and COCO captions.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast

QUESTION = "Question: {} Short answer:"
CAPTION = "a photo of"
DESCRIPTION = "describe"
SPECIAL = ("<pad>", "</s>", "<unk>", "<image>")
PAD, EOS, UNK, IMAGE = range(4)
#: Share of the loss; answers are three words in forty, and what the model is for.
ANSWERS, OTHER_TEXTS = 0.35, {"caption": 0.15, "description": 0.5}


@dataclass(frozen=True, slots=True)
class World:
    """The training split in memory: `texts[kind][image]` are (prompt, target) token ids."""

    pixels: Tensor
    texts: dict[str, dict[int, list[tuple[list[int], list[int]]]]]


def read_world(data: Path) -> tuple[World, PreTrainedTokenizerFast]:
    texts = read_texts(data)
    tokenizer = build_tokenizer(
        text
        for of_image in texts.values()
        for pairs in of_image.values()
        for pair in pairs
        for text in pair
    )
    encoded = {
        kind: {
            image - 1: [(tokenizer(p).input_ids, tokenizer(t).input_ids) for p, t in pairs]
            for image, pairs in of_image.items()
        }
        for kind, of_image in texts.items()
    }
    return World(read_pixels(data / "train2014"), encoded), tokenizer


def read_texts(data: Path) -> dict[str, dict[int, list[tuple[str, str]]]]:
    """(prompt, target) by kind: the three answer types, ``caption`` and ``description``."""
    texts: dict[str, dict[int, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    questions = json.loads((data / "v2_OpenEnded_mscoco_train2014_questions.json").read_text())
    asked = {entry["question_id"]: entry["question"] for entry in questions["questions"]}
    annotations = json.loads((data / "v2_mscoco_train2014_annotations.json").read_text())
    for entry in annotations["annotations"]:
        prompt = QUESTION.format(asked[entry["question_id"]])
        answer = entry["multiple_choice_answer"]
        texts[entry["answer_type"]][entry["image_id"]].append((prompt, answer))
    for kind, prompt in (("caption", CAPTION), ("description", DESCRIPTION)):
        for image, captions in read_captions(data / f"{kind}s_train2014.json").items():
            texts[kind][image] += [(prompt, caption) for caption in captions]
    return texts


def read_captions(path: Path) -> dict[int, list[str]]:
    """Captions by image id."""
    captions: dict[int, list[str]] = defaultdict(list)
    for entry in json.loads(path.read_text())["annotations"]:
        captions[entry["image_id"]].append(entry["caption"])
    return captions


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Whole lower-case words and punctuation marks; ``</s>`` ends every text, as in T5."""
    split = pre_tokenizers.Whitespace()
    words = {word for text in texts for word, _ in split.pre_tokenize_str(text.lower())}
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *sorted(words)))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = split
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", EOS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def read_pixels(folder: Path) -> Tensor:
    """All images, uint8 (image, 3, height, width); the image id is the index plus one."""
    arrays = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def normalised(pixels: Tensor, processor: Any) -> Tensor:
    """Pixels (image, 3, height, width) as the image processor would hand them to the model."""
    mean = torch.tensor(processor.image_mean, device=pixels.device).view(1, 3, 1, 1)
    std = torch.tensor(processor.image_std, device=pixels.device).view(1, 3, 1, 1)
    return (pixels.float() - mean * 255) / (std * 255)


def pad(rows: list[list[int]], value: int) -> Tensor:
    """Rows of token ids (row, longest), shorter ones filled up at their end."""
    length = max(map(len, rows))
    return torch.tensor([row + [value] * (length - len(row)) for row in rows])


@dataclass(frozen=True, slots=True)
class Step:
    """The texts of one step; `owner` is the row of a text's image, `weight` that of its tokens."""

    owner: Tensor
    prompts: list[list[int]]
    targets: list[list[int]]
    weight: Tensor


def draw_step(world: World, images: list[int], draw: random.Random) -> Step:
    """One text of each kind an image has: three questions, a caption, a description."""
    owner, prompts, targets, shares = [], [], [], []
    for row, image in enumerate(images):
        for kind, of_image in world.texts.items():
            if image in of_image:
                prompt, target = draw.choice(of_image[image])
                owner.append(row)
                prompts.append(prompt)
                targets.append(target)
                shares.append(OTHER_TEXTS.get(kind, ANSWERS))
    tokens: dict[float, int] = defaultdict(int)
    for share, target in zip(shares, targets, strict=True):
        tokens[share] += len(target)
    weight = torch.tensor([share / tokens[share] for share in shares])
    return Step(torch.tensor(owner), prompts, targets, weight)
