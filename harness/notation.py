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

import math
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import InputError, UnknownNameError

T = TypeVar("T")
#: More than any count of items has; Python refuses to read thousands.
DIGITS = 18
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


def parse_number(text: str) -> float:
    """A decimal number.

    Raises:
        ValueError: It is none.
    """
    return float(text if text.isascii() and "_" not in text else "")


def parse_whole(text: str) -> int:
    """A whole number.

    Raises:
        ValueError: It is none.
    """
    digits = text[1:] if text[:1] in ("+", "-") else text
    return int(text if digits.isascii() and digits.isdigit() and len(digits) <= DIGITS else "")


def parse_pruners(text: str) -> list[dict[str, Any]]:
    """Pruners between commas; ``local=a+b`` and settings hold none.

    Raises:
        InputError: There is none, or one of them is wrong.
    """
    return split_list(text, parse_pruner, "--pruner")


def parse_pruner(text: str) -> dict[str, Any]:
    """A recipe's name and/or ``key=value`` words.

    Raises:
        InputError: Words that make no pruner, or one of them twice.
    """
    content: dict[str, Any] = {"settings": {}}
    for word in split_words(text, "pruner"):
        key, equals, value = word.partition("=")
        if equals and not value:
            raise InputError(f"pruner {text!r}: {key} has no value")
        if equals and (key in content or key in content["settings"]):
            raise InputError(f"pruner {text!r}: {key} stands twice")
        if not equals:
            if "recipe" in content:
                raise InputError(f"pruner {text!r}: two recipes, {content['recipe']} and {word}")
            content["recipe"] = word
        elif "." in key:
            content["settings"][key] = parse_scalar(value)
        elif key == "local":
            content["local"] = tuple(value.split("+"))
        elif key == "p_max":
            content[key] = parse_scalar(value)
        elif key in PRUNER_KEYS:
            content[key] = value
        else:
            raise UnknownNameError("pruner setting", key, [*PRUNER_KEYS, "score.…", "local.…"])
    return content


def parse_task(text: str) -> dict[str, Any]:
    """``name[/profile][@subset]``.

    Raises:
        InputError: A part of it is empty, or the subset says no numbers.
    """
    rest, at, subset = text.partition("@")
    name, slash, profile = rest.partition("/")
    if not name or (slash and not profile):
        raise InputError(f"task {text!r} is not NAME, NAME/PROFILE or NAME@SUBSET")
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
    first, last = (_count(part) if part else None for part in (start, stop))
    if (start and first is None) or (stop and not last):
        raise wrong
    if last is not None and last <= (first or 0):
        raise InputError(f"subset {text!r} holds nothing: N:M is from N up to M, so N is below M")
    return {"start": first or 0, "stop": last}


def _count(text: str) -> int | None:
    """500 or 5k as a number; None where it is neither, or of more digits than items have."""
    digits = text.removesuffix("k")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= DIGITS):
        return None
    return int(digits) * (1000 if text.endswith("k") else 1)


def parse_data(text: str) -> dict[str, Any]:
    """An edition's name, a root folder, or folders by task.

    Raises:
        InputError: It is empty, or folders are not TASK=DIR.
    """
    if not text.strip():
        raise InputError("--data: nothing given; an edition, a folder or TASK=DIR is needed")
    if "=" in text:
        return {"folders": _key_values(text.split(","), "data")}
    is_folder = "/" in text or text in (".", "..") or Path(text).is_dir()
    return {"root": text} if is_folder else {"edition": text}


def parse_calibration(text: str) -> dict[str, Any]:
    """``SOURCE[=PATH] [samples=N] [subset=A:B] [option=value …]``."""
    return _parse_source(text, "calibration", ("samples",))


def parse_train(text: str) -> dict[str, Any]:
    """``SOURCE[=PATH] [subset=A:B] [option=value …]``."""
    return _parse_source(text, "train", ())


def _parse_source(text: str, what: str, keys: tuple[str, ...]) -> dict[str, Any]:
    first, *rest = split_words(text, what) or [""]
    source, equals, path = first.partition("=")
    if not source or (equals and not path):
        raise InputError(f"{what} {text!r}: it begins with SOURCE or SOURCE=PATH")
    content: dict[str, Any] = {"source": source, **({"path": path} if path else {})}
    for key, value in _key_values(rest, what).items():
        if key == "subset":
            content[key] = parse_subset(value)
        elif key in keys:
            content[key] = parse_scalar(value)
        else:
            content.setdefault("options", {})[key] = parse_scalar(value)
    return content


def parse_finetune(text: str) -> dict[str, Any]:
    """``steps=200 [lr=1e-4] [batch_size=16] [weight_decay=0.01]``."""
    pairs = _key_values(split_words(text, "finetune"), "finetune")
    return {key: parse_scalar(value) for key, value in pairs.items()}


def parse_images(text: str) -> dict[str, Any]:
    """``short=256 crop=224 mean=0.5 std=0.5``; one number stands for all three channels."""
    content: dict[str, Any] = {}
    for key, value in _key_values(split_words(text, "images"), "images").items():
        numbers = [parse_scalar(number) for number in value.split("/")]
        if key in ("mean", "std"):
            content[key] = tuple(numbers * 3 if len(numbers) == 1 else numbers)
        else:
            content[key] = numbers[0]
    return content


def parse_patterns(text: str) -> list[str]:
    """``v_head.*,score.*``: patterns of names, as of files."""
    return split_list(text, str, "--ignore-tensors")


def parse_pattern(text: str) -> dict[str, Any] | None:
    """``unstructured`` or ``n:m`` (n of every m consecutive inputs stay)."""
    if text == "unstructured":
        return None
    keep, of = (_count(part) for part in (text.split(":") if text.count(":") == 1 else "  "))
    if keep is None or of is None or "k" in text:
        raise InputError(f"pattern {text!r} is neither 'unstructured' nor n:m, e.g. 2:4")
    return {"keep": keep, "of": of}


def parse_scalar(text: str) -> bool | int | float | str:
    """A YAML-like scalar: true and false, decimal numbers, else a text.

    Raises:
        InputError: It is infinite, or not a number's name for none.
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return parse_whole(text)
    except ValueError:
        pass
    try:
        number = parse_number(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        raise InputError(f"{text!r}: a number is finite here")
    return number


def split_words(text: str, what: str) -> list[str]:
    """Words as a shell splits them, so that quotes keep blanks.

    Raises:
        InputError: A quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(f"{what} {text!r}: {str(error).lower()}") from None


def _key_values(words: Iterable[str], what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = (part.strip() for part in word.partition("="))
        if not (equals and key and value):
            raise InputError(f"{what}: {word!r} is not key=value")
        if key in found:
            raise InputError(f"{what}: {key} stands twice, as {found[key]!r} and {value!r}")
        found[key] = value
    return found
