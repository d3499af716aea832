"""How tables are fitted to a terminal."""

import json
import math

import pytest

from harness.cli.render import print_json
from harness.cli.screen import BORDER, fitting


def test_columns_are_cut_where_the_room_ends() -> None:
    widths = [5, 5, 5, 20, 5]

    parts = fitting(widths, 2 * (5 + BORDER))

    assert [widths[part] for part in parts] == [[5, 5], [5], [20], [5]]
    assert fitting(widths, 1000) == [slice(0, 5)]
    assert [widths[part] for part in fitting(widths, 0)] == [[5], [5], [5], [20], [5]]
    assert fitting([], 80) == []


def test_json_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    """An infinite perplexity is a word: Infinity without quotes is no JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    print_json({"a": [1.5, math.inf, None], "ä": True})

    text = capsys.readouterr().out
    assert json.loads(text, parse_constant=refuse) == {"a": [1.5, "Infinity", None], "ä": True}
    assert '"ä": true' in text
