"""Train ``mini-blip2`` on the training split of the miniature world.

    python -m harness_plugins.mini.train DATA OUT [--steps 3500]

DATA holds ``train2014/``, VQAv2's questions and annotations, COCO captions and dense
descriptions. OUT becomes a Hugging Face folder (float16) with ``curve.csv`` beside the weights.

Four things make so small a model train within the hour: all texts of an image share one vision and
Q-Former pass; a dense description of the scene is a training text, which makes the Q-Former (it
never sees the question) encode everything; answers weigh more than their few words would; and
weights start at 0.7 / sqrt(fan_in), since the library's 0.02 leaves a narrow network flat for
thousands of steps.
"""

import argparse
import copy
import csv
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

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

from harness_plugins.mini.world import EOS, IMAGE, PAD, SPECIAL, Step, World, draw_step, read_world

IGNORED = -100
#: Tokens of the longest answer, its end included.
SHORT = 3

WIDTH, HEADS, QUERIES, PATCH = 160, 5, 16, 12
IMAGES_PER_STEP, LEARNING_RATE, WARMUP, DECAY = 64, 1e-3, 200, 0.5
HELD_OUT = 400
EVERY = 250


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


class Trainee(nn.Module):
    """The model's own loss, with one vision and Q-Former pass for all texts of an image."""

    def __init__(self, model: Blip2ForConditionalGeneration, processor: BlipImageProcessor) -> None:
        super().__init__()
        self.model = model
        mean, std = (torch.tensor(processor.image_mean), torch.tensor(processor.image_std))
        self._mean, self._std = mean.view(1, 3, 1, 1) * 255, std.view(1, 3, 1, 1) * 255

    def see(self, pixels: Tensor) -> Tensor:
        """Pixels (image, 3, height, width) -> what the language model is shown of each image."""
        mean, std = self._mean.to(pixels.device), self._std.to(pixels.device)
        vision = self.model.vision_model((pixels.float() - mean) / std).last_hidden_state
        queries = self.model.query_tokens.expand(len(pixels), -1, -1)
        bridged = self.model.qformer(query_embeds=queries, encoder_hidden_states=vision)
        shown: Tensor = self.model.language_projection(bridged.last_hidden_state)
        return shown

    def read(self, shown: Tensor, prompts: list[list[int]]) -> dict[str, Tensor]:
        """Inputs of the language model: the image first, then the prompt."""
        ids = pad(prompts, PAD).to(shown.device)
        embedded = self.model.language_model.shared(ids)
        seen = torch.ones(shown.shape[:2], dtype=torch.long, device=shown.device)
        return {
            "inputs_embeds": torch.cat([shown, embedded], dim=1),
            "attention_mask": torch.cat([seen, (ids != PAD).long()], dim=1),
        }

    def forward(self, pixels: Tensor, step: Step) -> Tensor:
        """Weighted loss of all texts of a step, ()."""
        bridged = self.see(pixels)
        short = [row for row, target in enumerate(step.targets) if len(target) <= SHORT]
        long = [row for row, target in enumerate(step.targets) if len(target) > SHORT]
        losses = [self._loss(bridged, step, rows) for rows in (short, long) if rows]
        return torch.stack(losses).sum()

    def _loss(self, bridged: Tensor, step: Step, rows: list[int]) -> Tensor:
        """Answers and long texts run apart, or most of the decoder's work would be padding."""
        labels = pad([step.targets[row] for row in rows], IGNORED).to(bridged.device)
        inputs = self.read(bridged[step.owner[rows]], [step.prompts[row] for row in rows])
        logits = self.model.language_model(**inputs, labels=labels).logits
        losses = nn.functional.cross_entropy(
            logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
        return (losses.sum(dim=1) * step.weight[rows].to(losses.device)).sum()

    @torch.no_grad()
    def exact_match(
        self, pixels: Tensor, prompts: list[list[int]], targets: list[list[int]]
    ) -> float:
        inputs = self.read(self.see(pixels), prompts)
        made = self.model.language_model.generate(
            **inputs, max_new_tokens=5, do_sample=False
        ).tolist()
        wanted = [[*target] for target in targets]
        clipped = [row[1 : 1 + len(target)] for row, target in zip(made, wanted, strict=True)]
        right = sum(bool(a == b) for a, b in zip(clipped, wanted, strict=True))
        return right / len(wanted)


def pad(rows: list[list[int]], value: int) -> Tensor:
    length = max(map(len, rows))
    return torch.tensor([row + [value] * (length - len(row)) for row in rows])


def learning_rate(step: int, steps: int) -> float:
    """Warm-up, constant, linear decay over the second half."""
    decay = (steps - step) / (DECAY * steps)
    return LEARNING_RATE * min(1.0, (step + 1) / WARMUP, max(0.01, decay))


def train(
    trainee: Trainee, world: World, steps: int, device: torch.device, seed: int
) -> Iterator[dict[str, float]]:
    """Train in place; yields the curve: exact match by answer type on held-out images."""
    draw = random.Random(seed)
    last = len(world.pixels) - HELD_OUT
    optimizer = torch.optim.AdamW(trainee.parameters(), betas=(0.9, 0.98), weight_decay=0.02)
    started, running = time.perf_counter(), math.nan
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        images = draw.sample(range(last), IMAGES_PER_STEP)
        drawn = draw_step(world, images, draw)
        pixels = world.pixels[images].to(device)
        with torch.autocast(device.type, torch.bfloat16):
            loss = trainee(pixels, drawn)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimizer.step()
        running = loss.item() if math.isnan(running) else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            row = {
                "step": step + 1,
                "seconds": round(time.perf_counter() - started),
                "loss": running,
            }
            yield row | held_out_accuracy(trainee, world, device)


def held_out_accuracy(trainee: Trainee, world: World, device: torch.device) -> dict[str, float]:
    trainee.eval()
    images = list(range(len(world.pixels) - HELD_OUT, len(world.pixels)))
    pixels = world.pixels[images].to(device)
    accuracy = {}
    for kind in ("yes/no", "number", "other"):
        pairs = [world.texts[kind][image][0] for image in images]
        prompts, targets = [list(column) for column in zip(*pairs, strict=True)]
        accuracy[kind] = trainee.exact_match(pixels, prompts, targets)
    trainee.train()
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=3500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    device = torch.device(arguments.device)
    world, tokenizer = read_world(arguments.data)
    size = world.pixels.shape[-1]
    processor = BlipImageProcessor(size={"height": size, "width": size})
    model = build_model(len(tokenizer), size).to(device)
    trainee = Trainee(model, processor).to(device)
    tokenizer.save_pretrained(arguments.out)
    processor.save_pretrained(arguments.out)
    curve: list[dict[str, float]] = []
    for row in train(trainee, world, arguments.steps, device, arguments.seed):
        print(json.dumps(row), flush=True)
        curve.append(row)
        copy.deepcopy(model).half().save_pretrained(arguments.out)
        with (arguments.out / "curve.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            writer.writeheader()
            writer.writerows(curve)


if __name__ == "__main__":
    main()
