"""Tokens of lines written for this test and of nasty texts, beside what the Java tokenizer gives.

``tests/data/ptb_texts.json`` is made by ``benchmarks/ptb_texts.py``.
"""

import json
import shutil
from pathlib import Path

import pytest

from harness_tasks.editions.mini.captions import WRITERS, write
from harness_tasks.editions.mini.scene import Draw, draw_scene
from harness_tasks.metrics.ptb import tokenize

ROOT = Path(__file__).parent.parent.parent
LINES = ROOT / "tests" / "data" / "ptb.json"
NASTY = ROOT / "tests" / "data" / "ptb_texts.json"
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no Java on this machine")


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    return [(text, tokens) for text, tokens in json.loads(LINES.read_text(encoding="utf-8"))]


def test_tokens_equal_those_of_the_java_tokenizer(pairs: list[tuple[str, str]]) -> None:
    assert len(pairs) > 400

    for text, tokens in pairs:
        assert tokenize(text) == tokens, text


@needs_java
def test_the_java_tokenizer_still_gives_them(pairs: list[tuple[str, str]]) -> None:
    """Another version of it would show here; generated captions are compared as well."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    draw = Draw("ptb")
    generated = [write(draw_scene(draw), draw.choice(WRITERS), draw) for _ in range(3000)]
    texts = [text for text, _ in pairs] + [f"{text.capitalize()}." for text in generated]

    java = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(texts)})

    assert [java[i][0] for i in range(len(pairs))] == [tokens for _, tokens in pairs]
    for i, text in enumerate(texts):
        assert tokenize(text) == java[i][0]


def test_tokens_of_nasty_texts_equal_those_of_the_java_tokenizer() -> None:
    rows = json.loads(NASTY.read_text(encoding="utf-8"))

    assert len({text for text, _ in rows}) >= 2000
    assert {text: tokenize(text) for text, _ in rows} == dict(rows)


@needs_java
def test_the_java_tokenizer_is_equal_on_other_nasty_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The frozen ones are made again, and as many again by another seed."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from ptb_texts import COUNT, java_tokens, make_texts

    frozen = json.loads(NASTY.read_text(encoding="utf-8"))
    texts = [*make_texts(COUNT), *make_texts(COUNT, seed=1)]

    java = java_tokens(texts)

    assert [[text, tokens] for text, tokens in zip(texts, java, strict=True)][:COUNT] == frozen
    assert [tokenize(text) for text in texts] == java


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a \U0001f600\ufe0f b\u200bc", "a b c"),
        ("R&amp;B S&amp;Ls a &amp; b", "r&b s&ls a & b"),
        ("C++ or c#", "c++ or c#"),
        ("call (012) 555-1234", "call -lrb-012-rrb-\u00a0555-1234"),
        ("cafe\u0301 'tis don`t", "cafe\u0301 't is do n`t"),
        ("see main.c, v2.py", "see main.c v2.py"),
        ("Pty. Ltd. and PTY. B", "pty. ltd. and pty b"),
        ("<a href='x y'>z</a>", "<a\u00a0href='x\u00a0y'> z </a>"),
    ],
)
def test_kinds_that_are_read_apart(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens


def test_a_line_is_read_by_itself() -> None:
    """Java looks into the next line before it decides about an initial's full stop; we do not."""
    assert tokenize("A dog named U.") == "a dog named u."
    assert tokenize("A dog named U.\nThe end") == "a dog named u the end"
