"""``mini-blip2``: a BLIP-2 of four million weights that learns questions, captions, descriptions.

DATA holds ``train2014/``, VQAv2's questions and annotations, COCO captions and dense descriptions.

Four things make so small a model train within the hour: all texts of an image share one vision and
Q-Former pass; a dense description of the scene is a training text, which makes the Q-Former (it
never sees the question) encode everything; answers weigh more than their few words would; and
weights start at 0.7 / sqrt(fan_in), since the library's 0.02 leaves a narrow network flat for
thousands of steps.
"""

import math
import random
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipImageProcessor,
    T5Config,
)

from harness_plugins.mini.miniature import Recipe
from harness_plugins.mini.world import (
    EOS,
    IMAGE,
    PAD,
    SPECIAL,
    Step,
    draw_step,
    normalised,
    pad,
    read_world,
)

IGNORED = -100
#: Tokens of the longest answer, its end included.
SHORT = 3

WIDTH, HEADS, QUERIES, PATCH = 160, 5, 16, 12
IMAGES_PER_STEP = 64
HELD_OUT = 400


def build_model(vocabulary: int, image_size: int) -> Blip2ForConditionalGeneration:
    vision = Blip2VisionConfig(
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=5,
        num_attention_heads=HEADS,
        image_size=image_size,
        patch_size=PATCH,
    )
    qformer = Blip2QFormerConfig(
        vocab_size=len(SPECIAL),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=2 * WIDTH,
        cross_attention_frequency=1,
        encoder_hidden_size=WIDTH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    text = T5Config(
        vocab_size=vocabulary,
        d_model=WIDTH,
        d_kv=WIDTH // HEADS,
        d_ff=384,
        num_layers=3,
        num_decoder_layers=3,
        num_heads=HEADS,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        decoder_start_token_id=PAD,
        pad_token_id=PAD,
        eos_token_id=EOS,
    )
    config = Blip2Config(
        vision_config=vision.to_dict(),
        qformer_config=qformer.to_dict(),
        text_config=text.to_dict(),
        num_query_tokens=QUERIES,
        image_token_index=IMAGE,
    )
    model = Blip2ForConditionalGeneration(config)
    initialise(model)
    for tower in (model.vision_model, model.qformer, model.language_model):
        tower.set_attn_implementation("eager")  # its backward is 1.5 times faster on a CPU here
    return model


@torch.no_grad()
def initialise(model: Blip2ForConditionalGeneration) -> None:
    """Draw matrices of the vision tower and the Q-Former at 0.7 / sqrt(fan_in)."""
    model.query_tokens.normal_(0, 0.5)
    for tower in (model.vision_model, model.qformer):
        for parameter in tower.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0, 0.7 / math.sqrt(parameter.shape[1]))
    embeddings = model.vision_model.embeddings
    embeddings.position_embedding.normal_(0, 0.1)
    embeddings.patch_embedding.weight.normal_(
        0, embeddings.patch_embedding.weight[0].numel() ** -0.5
    )
    model.language_projection.weight.normal_(0, WIDTH**-0.5)


class Blip2:
    """The model's own loss, with one vision and Q-Former pass for all texts of an image."""

    recipe: ClassVar[Recipe] = Recipe(steps=3500, learning_rate=1e-3)

    def __init__(self, data: Path, device: torch.device) -> None:
        self._world, self._tokenizer = read_world(data)
        self._device = device
        size = self._world.pixels.shape[-1]
        self._processor = BlipImageProcessor(size={"height": size, "width": size})
        self.model = build_model(len(self._tokenizer), size).to(device)

    @property
    def companions(self) -> list[Any]:
        return [self._tokenizer, self._processor]

    def loss(self, step: int, draw: random.Random) -> Tensor:
        """Weighted loss of all texts of a step, ()."""
        images = draw.sample(range(len(self._world.pixels) - HELD_OUT), IMAGES_PER_STEP)
        texts = draw_step(self._world, images, draw)
        bridged = self._see(images)
        short = [row for row, target in enumerate(texts.targets) if len(target) <= SHORT]
        long = [row for row, target in enumerate(texts.targets) if len(target) > SHORT]
        losses = [self._loss(bridged, texts, rows) for rows in (short, long) if rows]
        return torch.stack(losses).sum()

    def measure(self) -> dict[str, float]:
        """Exact match by answer type."""
        count = len(self._world.pixels)
        images = list(range(count - HELD_OUT, count))
        accuracy = {}
        for kind in ("yes/no", "number", "other"):
            pairs = [self._world.texts[kind][image][0] for image in images]
            prompts, targets = [list(column) for column in zip(*pairs, strict=True)]
            accuracy[kind] = self._exact_match(images, prompts, targets)
        return accuracy

    def _see(self, images: list[int]) -> Tensor:
        """What the language model is shown of each image (image, query, width)."""
        pixels = normalised(self._world.pixels[images].to(self._device), self._processor)
        vision = self.model.vision_model(pixels).last_hidden_state
        queries = self.model.query_tokens.expand(len(pixels), -1, -1)
        bridged = self.model.qformer(query_embeds=queries, encoder_hidden_states=vision)
        shown: Tensor = self.model.language_projection(bridged.last_hidden_state)
        return shown

    def _read(self, shown: Tensor, prompts: list[list[int]]) -> dict[str, Tensor]:
        """Inputs of the language model: the image first, then the prompt."""
        ids = pad(prompts, PAD).to(shown.device)
        embedded = self.model.language_model.shared(ids)
        seen = torch.ones(shown.shape[:2], dtype=torch.long, device=shown.device)
        return {
            "inputs_embeds": torch.cat([shown, embedded], dim=1),
            "attention_mask": torch.cat([seen, (ids != PAD).long()], dim=1),
        }

    def _loss(self, bridged: Tensor, step: Step, rows: list[int]) -> Tensor:
        """Answers and long texts run apart, or most of the decoder's work would be padding."""
        labels = pad([step.targets[row] for row in rows], IGNORED).to(bridged.device)
        inputs = self._read(bridged[step.owner[rows]], [step.prompts[row] for row in rows])
        logits = self.model.language_model(**inputs, labels=labels).logits
        losses = nn.functional.cross_entropy(
            logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
        return (losses.sum(dim=1) * step.weight[rows].to(losses.device)).sum()

    @torch.no_grad()
    def _exact_match(
        self, images: list[int], prompts: list[list[int]], targets: list[list[int]]
    ) -> float:
        inputs = self._read(self._see(images), prompts)
        made = self.model.language_model.generate(
            **inputs, max_new_tokens=5, do_sample=False
        ).tolist()
        clipped = [row[1 : 1 + len(target)] for row, target in zip(made, targets, strict=True)]
        return sum(bool(a == b) for a, b in zip(clipped, targets, strict=True)) / len(targets)
