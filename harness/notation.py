"""The short notations of the command line, turned into what `harness.spec` checks.

pruner        ecoflap | "ecoflap p_max=0.7 score.eps=1e-2" | "score=… budget=… local=a+b"
task          vqav2 | vqav2/official | vqav2@400 | vqav2@5k | imagenet@128: | wikitext/w256
data          mini | full | ROOT | task=DIR,task=DIR
calibration   mini | captions=DIR | "imagefolder=DIR samples=64 subset=:128"
train         mini-train | "captions=DIR subset=100:"
finetune      "steps=200 lr=1e-4 batch_size=16 weight_decay=0.01"
images        "short=256 crop=224 mean=0.5 std=0.5"
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import InputError, UnknownNameError

T = TypeVar("T")
PRUNER_KEYS = ("score", "budget", "local", "search", "p_max")


def split_list(text: str, convert: Callable[[str], T], what: str) -> list[T]:
    """Split at commas and convert each part.

    Raises:
        InputError: A part cannot be converted; it names the part.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    values = []
    for part in parts:
        try:
            values.append(convert(part))
        except ValueError:
            raise InputError(f"{what}: {part!r} is not a number") from None
    if not values:
        raise InputError(f"{what}: nothing given")
    return values


def split_pruners(text: str) -> list[str]:
    """Split pruners at commas; ``local=a+b`` and settings hold none."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_pruner(text: str) -> dict[str, Any]:
    """A recipe's name and/or ``key=value`` words."""
    content: dict[str, Any] = {"settings": {}}
    for word in shlex.split(text):
        key, equals, value = word.partition("=")
        if not equals:
            if "recipe" in content:
                raise InputError(f"pruner {text!r}: two recipes, {content['recipe']} and {word}")
            content["recipe"] = word
        elif "." in key:
            content["settings"][key] = parse_scalar(value)
        elif key == "local":
            content["local"] = tuple(value.split("+"))
        elif key in PRUNER_KEYS:
            content[key] = parse_scalar(value)
        else:
            raise UnknownNameError("pruner setting", key, [*PRUNER_KEYS, "score.…", "local.…"])
    return content


def parse_task(text: str) -> dict[str, Any]:
    """``name[/profile][@subset]``."""
    rest, at, subset = text.partition("@")
    name, slash, profile = rest.partition("/")
    content: dict[str, Any] = {"name": name}
    if slash:
        content["profile"] = profile
    if at:
        content["subset"] = parse_subset(subset)
    return content


def parse_subset(text: str) -> dict[str, int | None]:
    """``400``, ``:400`` or ``5k`` = the first in hashed order; ``128:`` = all but the first 128."""
    wrong = InputError(f"subset {text!r} is not N, :N, N: or N:M, with N like 500 or 5k")
    start, colon, stop = text.partition(":")
    if not colon:
        start, stop = "", text
    if not start and not stop:
        raise wrong
    try:
        return {"start": _count(start) if start else 0, "stop": _count(stop) if stop else None}
    except ValueError:
        raise wrong from None


def _count(text: str) -> int:
    return int(text.removesuffix("k")) * (1000 if text.endswith("k") else 1)


def parse_data(text: str | None) -> dict[str, Any]:
    """An edition's name, a root folder, or folders by task."""
    if text is None:
        return {}
    if "=" in text:
        return {"folders": dict(_key_values(text.split(","), "data"))}
    is_folder = "/" in text or text in (".", "..") or Path(text).is_dir()
    return {"root": text} if is_folder else {"edition": text}


def parse_calibration(text: str | None) -> dict[str, Any]:
    """``SOURCE[=PATH] [samples=N] [subset=A:B] [option=value …]``."""
    return _parse_source(text, "calibration", ("samples",))


def parse_train(text: str | None) -> dict[str, Any]:
    """``SOURCE[=PATH] [subset=A:B] [option=value …]``."""
    return _parse_source(text, "train", ())


def _parse_source(text: str | None, what: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if text is None:
        return {}
    first, *rest = shlex.split(text) or [""]
    source, _, path = first.partition("=")
    content: dict[str, Any] = {"source": source, **({"path": path} if path else {})}
    for key, value in _key_values(rest, what):
        if key == "subset":
            content[key] = parse_subset(value)
        elif key in keys:
            content[key] = parse_scalar(value)
        else:
            content.setdefault("options", {})[key] = parse_scalar(value)
    return content


def parse_finetune(text: str | None) -> dict[str, Any] | None:
    """``steps=200 [lr=1e-4] [batch_size=16] [weight_decay=0.01]``."""
    if text is None:
        return None
    pairs = _key_values(shlex.split(text), "finetune")
    return {key: parse_scalar(value) for key, value in pairs}


def parse_images(text: str | None) -> dict[str, Any] | None:
    """``short=256 crop=224 mean=0.5 std=0.5``; one number stands for all three channels."""
    if text is None:
        return None
    content: dict[str, Any] = {}
    for key, value in _key_values(shlex.split(text), "images"):
        numbers = [parse_scalar(number) for number in value.split("/")]
        if key in ("mean", "std"):
            content[key] = tuple(numbers * 3 if len(numbers) == 1 else numbers)
        else:
            content[key] = numbers[0]
    return content


def parse_patterns(text: str | None) -> list[str] | None:
    """``v_head.*,score.*``: patterns of names, as of files."""
    return None if text is None else split_list(text, str, "--ignore-tensors")


def parse_pattern(text: str | None) -> dict[str, Any] | None:
    """``unstructured`` or ``n:m`` (n of every m consecutive inputs stay)."""
    if text is None or text == "unstructured":
        return None
    keep, colon, of = text.partition(":")
    if not (colon and keep.isdigit() and of.isdigit()):
        raise InputError(f"pattern {text!r} is neither 'unstructured' nor n:m, e.g. 2:4")
    return {"keep": int(keep), "of": int(of)}


def parse_scalar(text: str) -> bool | int | float | str:
    """A YAML-like scalar."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _key_values(words: Iterable[str], what: str) -> Iterable[tuple[str, str]]:
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise InputError(f"{what}: {word!r} is not key=value")
        yield key.strip(), value.strip()
