"""Changes that make of a valid input one that is not, or not quite."""

import copy
import json
from random import Random
from typing import Any

TEXTS = [
    *("", " ", "x", "a" * 300, "a" * 5000, "a\0b", "a\nb", "\x1b[31mred", "[/red]", "[bold]"),
    *("../../../etc/passwd", "/dev/null", "/", ".", "..", "~", "~nobody/x", "C:\\x", "a/../b"),
    *("nan", "inf", "-inf", "-1", "0", "1", "1e999", "1e-400", "9" * 5000, "0x10", "1_0", "٣", "²"),
    *(
        "=",
        "x=",
        "=x",
        "a=b=c",
        ",",
        ",,",
        "@",
        "@@",
        ":",
        "::",
        "/",
        "//",
        "+",
        "'",
        '"',
        "`",
        "#",
    ),
    *("|", "<script>", "=cmd()", "\u2028", "\u202e", "\ud800", "\udcff", "🦖", "é", "e\u0301"),
    *("true", "null", "{}", "[]", "{{x}}", "%s", "$(id)", ";id", "--", "-", "--help", "-x", "*"),
    *("5k", "k", "1:2:3", "2:1", "4:4", "0:4", "99999999999:", "wanda wanda", "local=", "p_max=2"),
    *("!!python/object:os.system x", "&a [*a]", "? x", "vqav2", "mini", "wanda", "text", "cuda:99"),
]
SCALARS: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 0.5, -0.5, 1e308, float("nan")),
    *(float("inf"), [], {}, [[]], [None], {"a": 1}, "1", "x" * 3000, [1, "x"], -(10**18)),
]


def change_text(draw: Random, text: str) -> str:
    """Cut, double, splice or replace a part of a text."""
    place, width = draw.randrange(len(text) + 1), draw.randrange(1, 6)
    nasty = draw.choice(TEXTS)
    return draw.choice(
        [
            lambda: text[:place] + text[place + width :],
            lambda: text[:place] + nasty + text[place:],
            lambda: (
                text[:place] + text[place : place + width] * draw.randrange(2, 5) + text[place:]
            ),
            lambda: text[:place] + chr(draw.randrange(1, 0x3000)) + text[place + 1 :],
            lambda: nasty,
            text.swapcase,
            lambda: text + text,
        ]
    )()


def change_bytes(draw: Random, content: bytes) -> bytes:
    """Flip, cut, double or overwrite bytes."""
    place, width = draw.randrange(len(content) + 1), draw.choice([1, 2, 8, 100])
    return draw.choice(
        [
            lambda: content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :],
            lambda: content[:place],
            lambda: content[:place] + content[place + width :],
            lambda: content[:place] + draw.randbytes(width) + content[place:],
            lambda: content[:place] + draw.randbytes(width) + content[place + width :],
            lambda: b"",
            lambda: b"\xef\xbb\xbf" + content,
            lambda: content.replace(b"0", b"9" * 40, 1),
            lambda: b"[" * 100_000,
            lambda: b'{"a":' * 50_000,
        ]
    )()


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in nested lists and mappings."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(content, dict):
        inner = list(content.items())
    elif isinstance(content, list):
        inner = list(enumerate(content[:50]))
    return [path, *(p for key, value in inner for p in places(value, (*path, key)))]


def change_json(draw: Random, content: Any) -> Any:
    """Replace, remove, double, rename or move one or two things in JSON content."""
    changed = copy.deepcopy(content)
    for _ in range(draw.choice([1, 1, 1, 2])):
        *outer, last = draw.choice(places(changed)[1:] or [((),)]) or [()]
        holder = changed
        for step in outer:
            holder = holder[step]
        if not isinstance(holder, dict | list) or last == ():
            return draw.choice(SCALARS)
        _change_in(draw, holder, last)
    return changed


def _change_in(draw: Random, holder: Any, key: Any) -> None:
    value, act = holder[key], draw.randrange(8)
    if act == 0:
        del holder[key]
    elif act == 1 and isinstance(holder, dict):
        holder[draw.choice([f"{key}x", str(key)[:-1], draw.choice(TEXTS)])] = holder.pop(key)
    elif act == 2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(value))
    elif act == 3 and isinstance(value, str):
        holder[key] = change_text(draw, value)
    elif act == 4:
        holder[key] = [value]
    elif act == 5 and isinstance(value, int | float) and not isinstance(value, bool):
        holder[key] = draw.choice([value + 1, -value, value * 1000, str(value), value + 0.5])
    else:
        holder[key] = draw.choice([*SCALARS, draw.choice(TEXTS)])


def json_bytes(content: Any) -> bytes:
    """JSON as bytes; lone surrogates stay what they are in JSON."""
    return json.dumps(content).encode()


def a_changed_json_file(draw: Random, content: bytes) -> bytes:
    """A JSON file changed as content, sometimes as bytes."""
    if draw.random() < 0.25:
        return change_bytes(draw, content)
    return json_bytes(change_json(draw, json.loads(content)))
