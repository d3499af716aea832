"""Tokens of some five hundred lines written for this test, beside what the Java tokenizer gives."""

import json
import shutil
from pathlib import Path

import pytest

from harness_tasks.editions.mini.captions import WRITERS, write
from harness_tasks.editions.mini.scene import Draw, draw_scene
from harness_tasks.metrics.ptb import tokenize

LINES = Path(__file__).parent.parent / "data" / "ptb.json"


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    return [(text, tokens) for text, tokens in json.loads(LINES.read_text(encoding="utf-8"))]


def test_tokens_equal_those_of_the_java_tokenizer(pairs: list[tuple[str, str]]) -> None:
    assert len(pairs) > 400

    for text, tokens in pairs:
        assert tokenize(text) == tokens, text


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java on this machine")
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


def test_a_line_is_read_by_itself() -> None:
    """Java looks into the next line before it decides about an initial's full stop; we do not."""
    assert tokenize("A dog named U.") == "a dog named u."
    assert tokenize("A dog named U.\nThe end") == "a dog named u the end"
