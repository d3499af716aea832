"""What each of LAVIS's models is asked, in its own words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

Generation = Mapping[str, Any]
Match = Callable[[Any, Tensor, Sequence[str]], Tensor]
#: Of a text that is compared with images, as LAVIS evaluates.
TEXT_TOKENS = 35


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
    logits = _judged(model, pixels, prompts, torch.zeros(len(prompts)), "predictions")
    check_finite(logits)
    return logits.argmax(dim=1)


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


def check_finite(logits: Tensor) -> None:
    """Refuse logits (…, choices) that pick nothing; -inf beside a finite one rules a choice out."""
    best = logits.amax(dim=-1)
    bad = best[~best.isfinite()]
    if len(bad):
        raise ValueError(f"logits are not finite ({float(bad[0])})")


@contextmanager
def finite_decoder(kind: str, model: Any) -> Iterator[None]:
    """Inside the context, words are picked by the logits of the model's decoder."""
    handle = model.get_submodule(DECODERS[kind]).register_forward_hook(
        lambda _decoder, _inputs, output: check_finite(output.logits)
    )
    try:
        yield
    finally:
        handle.remove()


def pair_logits(model: Any, pixels: Tensor, texts: Sequence[str]) -> Tensor:
    """Logits (pairs, 2) of "does not fit" and "fits"."""
    logits: Tensor = model({"image": pixels, "text_input": list(texts)}, match_head="itm")
    return logits


def query_logits(model: Any, pixels: Tensor, texts: Sequence[str]) -> Tensor:
    """The same of a Q-Former; LAVIS tells only the second, so its head is listened to."""
    read = _read(model, texts)
    heard: list[Tensor] = []
    handle = model.itm_head.register_forward_hook(lambda _head, _inputs, out: heard.append(out))
    _, seen = model.forward_image(pixels)
    model.compute_itm(seen, read.input_ids, read.attention_mask)
    handle.remove()
    return heard[0].mean(dim=1)


def fits_loss(match: Match, model: Any, pixels: Tensor, _prompt: str, target: str) -> Tensor:
    logits = match(model, pixels, [target])
    return cross_entropy(logits, torch.ones(1, dtype=torch.long, device=logits.device))


def image_features(model: Any, pixels: Tensor) -> Tensor:
    seen = model.visual_encoder.forward_features(pixels)
    return normalize(model.vision_proj(seen[:, :1]), dim=-1)


def query_features(model: Any, pixels: Tensor) -> Tensor:
    read, _ = model.forward_image(pixels)
    return normalize(model.vision_proj(read), dim=-1)


def text_features(model: Any, texts: Sequence[str]) -> Tensor:
    words = _read(model, texts)
    read = model.text_encoder(
        words.input_ids, attention_mask=words.attention_mask, return_dict=True, mode="text"
    ).last_hidden_state
    return normalize(model.text_proj(read[:, 0]), dim=-1)


def queried_text_features(model: Any, texts: Sequence[str]) -> Tensor:
    return normalize(model.text_proj(model.forward_text(_read(model, texts))), dim=-1)


def _read(model: Any, texts: Sequence[str]) -> Any:
    words = model.tokenizer(
        list(texts), padding=True, truncation=True, max_length=TEXT_TOKENS, return_tensors="pt"
    )
    return words.to(model.device)


#: Texts to pixels (images, 3, height, width) and prompts.
GENERATED: Mapping[str, Callable[[Any, Tensor, Sequence[str], Generation], Sequence[str]]] = {
    "blip2_t5": say_after_prompts,
    "blip_caption": caption,
    "blip_vqa": answer,
}
#: Of those, the part that picks words.
DECODERS = {"blip2_t5": "t5_model", "blip_caption": "text_decoder", "blip_vqa": "text_decoder"}
#: Of one target after one prompt: the mean over the target's tokens, or of a verdict.
LOSSES: Mapping[str, Callable[[Any, Tensor, str, str], Tensor]] = {
    "blip2_t5": prompted_loss,
    "blip_caption": caption_loss,
    "blip_vqa": answer_loss,
    "blip_nlvr": verdict_loss,
    "blip2": partial(fits_loss, query_logits),
    "blip_image_text_matching": partial(fits_loss, pair_logits),
}
#: Features of images, (images, queries, dim), and of texts, (texts, dim), all of unit length.
EMBEDDED: Mapping[str, tuple[Callable[[Any, Tensor], Tensor], Callable[[Any, Any], Tensor]]] = {
    "blip2": (query_features, queried_text_features),
    "blip_image_text_matching": (image_features, text_features),
}
#: Logits (pairs, 2) of images and texts.
MATCHED: Mapping[str, Match] = {
    "blip2": query_logits,
    "blip_image_text_matching": pair_logits,
}
