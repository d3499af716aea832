"""What each of LAVIS's models is asked, in its own words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

Generation = Mapping[str, Any]


def say_after_prompts(
    model: Any, pixels: Tensor, prompts: Sequence[str], generation: Generation
) -> Sequence[str]:
    texts: list[str] = model.generate(
        {"image": pixels, "prompt": list(prompts)},
        num_beams=generation["num_beams"],
        max_length=generation["max_new_tokens"],
        min_length=generation["min_length"],
        length_penalty=generation["length_penalty"],
    )
    return texts


def prompted_loss(model: Any, pixels: Tensor, prompt: str, target: str) -> Tensor:
    batch = {"image": pixels, "text_input": [prompt], "text_output": [target]}
    loss: Tensor = model(batch)["loss"]
    return loss


def caption(
    model: Any, pixels: Tensor, prompts: Sequence[str], generation: Generation
) -> Sequence[str]:
    """LAVIS has one prompt for all images, and counts it as a part of what is said."""
    texts = []
    with penalised(model.text_decoder, generation):
        for image, prompt in zip(pixels, prompts, strict=True):
            length = give_prompt(model, prompt)
            texts += model.generate(
                {"image": image[None]},
                num_beams=generation["num_beams"],
                max_length=length + generation["max_new_tokens"],
                min_length=generation["min_length"],
            )
    return texts


def caption_loss(model: Any, pixels: Tensor, prompt: str, target: str) -> Tensor:
    give_prompt(model, prompt)
    loss: Tensor = model({"image": pixels, "text_input": [f"{prompt} {target}".strip()]})["loss"]
    return loss


def give_prompt(model: Any, prompt: str) -> int:
    """Set the prompt; returns its tokens with the one that starts a text, without the last."""
    model.prompt = prompt
    model.prompt_length = len(model.tokenizer(prompt).input_ids) - 1
    return int(model.prompt_length)


def answer(
    model: Any, pixels: Tensor, prompts: Sequence[str], generation: Generation
) -> Sequence[str]:
    """One by one: LAVIS reads the padding of a shorter question like words."""
    texts = []
    with penalised(model.text_decoder, generation):
        for image, prompt in zip(pixels, prompts, strict=True):
            texts += model.predict_answers(
                {"image": image[None], "text_input": [prompt]},
                inference_method="generate",
                num_beams=generation["num_beams"],
                max_len=1 + generation["max_new_tokens"],
                min_len=generation["min_length"],
            )
    return texts


def answer_loss(model: Any, pixels: Tensor, prompt: str, target: str) -> Tensor:
    """LAVIS's own adds up over the tokens."""
    batch = {"image": pixels, "text_input": [prompt], "answer": [target], "n_answers": [1]}
    loss: Tensor = model({**batch, "weight": pixels.new_ones(1)})["loss"]
    return loss / (len(model.tokenizer(target).input_ids) - 1)


@contextmanager
def penalised(decoder: Any, generation: Generation) -> Iterator[None]:
    """Inside the context, beams are penalised for their length; BLIP takes no such wish."""
    defaults = decoder.config  # transformers makes its settings of generation from it, every time
    before, defaults.length_penalty = defaults.length_penalty, generation["length_penalty"]
    try:
        yield
    finally:
        defaults.length_penalty = before


def verdicts(model: Any, pixels: Tensor, prompts: Sequence[str]) -> Tensor:
    """LAVIS's classes, 0 = false and 1 = true; all left images stand before all right ones."""
    return _judged(model, pixels, prompts, torch.zeros(len(prompts)), "predictions").argmax(dim=1)


def verdict_loss(model: Any, pixels: Tensor, prompt: str, target: str) -> Tensor:
    return _judged(model, pixels, [prompt], torch.tensor([int(target == "yes")]), "loss")


def _judged(
    model: Any, pixels: Tensor, prompts: Sequence[str], labels: Tensor, wanted: str
) -> Tensor:
    left, right = pixels.chunk(2)
    batch = {"image0": left, "image1": right, "text_input": list(prompts)}
    batch["label"] = labels.to(pixels.device)
    found: Tensor = model(batch, is_train=wanted == "loss")[wanted]
    return found


#: Texts to pixels (images, 3, height, width) and prompts.
GENERATED: Mapping[str, Callable[[Any, Tensor, Sequence[str], Generation], Sequence[str]]] = {
    "blip2_t5": say_after_prompts,
    "blip_caption": caption,
    "blip_vqa": answer,
}
#: Of one target after one prompt: the mean over the target's tokens, or of a verdict.
LOSSES: Mapping[str, Callable[[Any, Tensor, str, str], Tensor]] = {
    "blip2_t5": prompted_loss,
    "blip_caption": caption_loss,
    "blip_vqa": answer_loss,
    "blip_nlvr": verdict_loss,
}
