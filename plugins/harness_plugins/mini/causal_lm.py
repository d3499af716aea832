"""``mini-lm``: a Llama of 1.1 million weights that learns to read reports on coloured shapes.

DATA holds ``reports.txt``, reports that an empty line parts. Four things make so small a model
look back within minutes: words start large beside what the blocks add, so that they are not
drowned; half of the first windows say the same twice, which makes attention learn to copy; answers
weigh more than their few words would; and windows are short, with a long one every eighth step so
that all of the context's positions are known.
"""

import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from harness_plugins.mini.miniature import Recipe

SPECIAL = ("<pad>", "</s>", "<unk>")
PAD, EOS, UNK = range(3)

WIDTH, HEADS, BLOCKS, HIDDEN = 128, 4, 5, 384
CONTEXT = 2048
TOKENS_PER_STEP, WINDOW, LONG_EVERY = 3072, 96, 8
#: Steps in which half of the windows say the same twice.
TWICE = 400
#: What ``yes`` and ``no`` weigh in the loss: they are one word in a hundred.
ANSWERS, ANSWER_WEIGHT = ("yes", "no"), 10.0
#: Reports that training leaves out, and the window they are read in.
HELD_OUT, HELD_OUT_WINDOW = 400, 256


@dataclass(frozen=True, slots=True)
class Reports:
    """The training text: token ids, int64 (tokens,), and where reports begin, (reports,)."""

    tokens: Tensor
    starts: Tensor

    @property
    def held_out(self) -> Tensor:
        """The last reports in windows, (windows, `HELD_OUT_WINDOW`)."""
        tokens = self.tokens[int(self.starts[-HELD_OUT]) :]
        return tokens[: len(tokens) // HELD_OUT_WINDOW * HELD_OUT_WINDOW].view(-1, HELD_OUT_WINDOW)


def read_reports(data: Path) -> tuple[Reports, PreTrainedTokenizerFast]:
    texts = (data / "reports.txt").read_text(encoding="utf-8").split("\n\n")
    tokenizer = build_tokenizer(texts)
    rows = tokenizer(texts, verbose=False).input_ids
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.tensor([token for row in rows for token in row])
    return Reports(tokens, lengths.cumsum(0) - lengths), tokenizer


def build_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Whole lower-case words and punctuation marks; ``</s>`` may stand before a text."""
    split = pre_tokenizers.Whitespace()
    words = {word for text in texts for word, _ in split.pre_tokenize_str(text.lower())}
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *sorted(words)))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = split
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="</s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def build_model(vocabulary: int) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        pad_token_id=PAD,
        bos_token_id=EOS,
        eos_token_id=EOS,
    )
    model = LlamaForCausalLM(config)
    initialise(model)
    return model


@torch.no_grad()
def initialise(model: LlamaForCausalLM) -> None:
    """Draw words at 1 and matrices at 0.7 / sqrt(fan_in); the library draws all at 0.02."""
    for name, parameter in model.named_parameters():
        if name.endswith("embed_tokens.weight"):
            parameter.normal_(0, 1)
        elif parameter.dim() == 2:
            parameter.normal_(0, 0.7 / math.sqrt(parameter.shape[1]))


def draw_windows(reports: Reports, step: int, draw: random.Random) -> Tensor:
    """Windows of one step, int64 (windows, tokens): a report and what follows it.

    Every other one begins with ``</s>``.
    """
    length = CONTEXT if step % LONG_EVERY == LONG_EVERY - 1 else WINDOW
    learnt = reports.starts[: -HELD_OUT - CONTEXT]
    rows = []
    for row in range(TOKENS_PER_STEP // length):
        start = int(learnt[draw.randrange(len(learnt))])
        rows.append(reports.tokens[start : start + length])
        if row % 2:
            rows[-1] = torch.cat([torch.tensor([EOS]), rows[-1][:-1]])
    windows = torch.stack(rows)
    if step < TWICE and length == WINDOW:
        half = windows[: len(rows) // 2]
        half[:, WINDOW // 2 :] = half[:, : WINDOW // 2]
    return windows


class CausalLM:
    """The model in training; see `harness_plugins.mini.miniature.Miniature`."""

    recipe: ClassVar[Recipe] = Recipe(steps=7000, learning_rate=3e-3, warmup=100, every=100)

    def __init__(self, data: Path, device: torch.device) -> None:
        self._reports, self._tokenizer = read_reports(data)
        self.model = build_model(len(self._tokenizer)).to(device)
        self._answers = torch.tensor(self._tokenizer.convert_tokens_to_ids(ANSWERS), device=device)
        self._weights = torch.ones(len(self._tokenizer), device=device)
        self._weights[self._answers] = ANSWER_WEIGHT

    @property
    def companions(self) -> list[Any]:
        return [self._tokenizer]

    def loss(self, step: int, draw: random.Random) -> Tensor:
        ids = draw_windows(self._reports, step, draw).to(self.model.device)
        logits = self.model(ids, use_cache=False).logits[:, :-1].float()
        return nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], weight=self._weights)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Perplexity of held-out reports, and how many of their questions are answered right."""
        ids = self._reports.held_out.to(self.model.device)
        logits, ahead = self.model(ids, use_cache=False).logits[:, :-1].float(), ids[:, 1:]
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), ahead)
        asked = torch.isin(ahead, self._answers)
        right = logits.argmax(-1)[asked] == ahead[asked]
        return {"perplexity": math.exp(loss), "yes/no": right.float().mean().item()}
