"""Names are text on every way out: what shows them does not obey them."""

import csv
import io
import json

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.escape import markdown, spreadsheet
from harness.escape.terminal import encodable, json_text, visible, visible_lines
from harness.leaderboard import to_csv, to_markdown
from tests.nasty import NAMES, is_inert, nasty_boards

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
#: What the boards' own words are made of.
PLAIN = {"text", "softbreak", "text_special"}
#: Texts of the boards' own that stand as code.
OWN_CODE = ("kept",)


def inline_tokens(page: str) -> list[Token]:
    return [part for token in READER.parse(page) for part in token.children or ()]


@pytest.mark.parametrize("name", NAMES)
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    page = "\n".join([*markdown.head(["a", name]), markdown.row([name, "b"])])

    cells = [token for token in READER.parse(page) if token.type == "inline"]

    shown = ["".join(part.content for part in cell.children or ()) for cell in cells]
    assert shown == ["a", visible(name).strip(), visible(name).strip(), "b"]
    assert {part.type for cell in cells for part in cell.children or ()} <= PLAIN


@pytest.mark.parametrize("name", NAMES)
def test_a_name_at_the_beginning_of_an_entry_begins_nothing_else(name: str) -> None:
    tokens = READER.parse(f"- {markdown.beginning(name)}\n")

    assert [token.type for token in tokens if token.nesting == 1] == [
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
    ]
    assert {part.type for part in inline_tokens(f"- {markdown.beginning(name)}\n")} <= PLAIN


def test_links_that_renderers_find_by_themselves_are_broken() -> None:
    for name in ("https://evil.example", "www.evil.example", "a@evil.example", "@someone"):
        escaped = markdown.inline(f"see {name}")
        assert not [sign for sign in ("://", "www.", "@") if sign in escaped]
    assert markdown.inline("vqav2/lavis @24 #0c4fb5, -8.3 [-20.3, 3.7])*") == (
        "vqav2/lavis @24 #0c4fb5, -8.3 [-20.3, 3.7])*"
    )


def test_boards_of_nasty_names_are_tables_of_texts() -> None:
    for board in nasty_boards():
        page = to_markdown(board)
        assert is_inert(page)
        code = {part.content for part in inline_tokens(page) if part.type == "code_inline"}
        assert code == {*OWN_CODE, board.digest[:12]}
        kinds = {part.type for part in inline_tokens(page)} - {"code_inline"}
        assert kinds <= PLAIN, board.model
        blocks = [token.tag for token in READER.parse(page) if token.nesting == 1]
        assert blocks.count("h1") == 1
        assert {"h2", "blockquote", "ol", "hr"} & set(blocks) == set()
        assert "<script" not in page


def test_csv_holds_no_formula_and_all_numbers() -> None:
    for board in nasty_boards():
        text = to_csv(board)
        assert is_inert(text)
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(text.splitlines()) == len(rows) + 1
        for row in rows:
            assert None not in row
            for cell in row.values():
                assert not cell.lstrip().startswith(spreadsheet.FORMULA) or float(cell) < 0
        numbers = {row["score"] for row in rows} | {row["delta"] for row in rows}
        assert {"-2.0", "-1.0", "-1.5"} <= numbers


def test_what_a_terminal_would_obey_is_spelt_out() -> None:
    assert visible("\x1b[31m \u202e \u2028 \ud800 ä") == r"\x1b[31m \u202e \u2028 \ud800 ä"
    assert visible_lines("a\n\tb\x1b\r\n") == "a\n\tb\\x1b\\r\n"
    for name in NAMES:
        assert visible(name).isprintable()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_is_inert_and_holds_the_names(encoding: str) -> None:
    names = [*NAMES, "\ud800", "𝄞"]

    text = json_text(json.dumps(names, ensure_ascii=False), encoding)

    assert is_inert(text)
    text.encode(encoding)
    assert json.loads(text) == names


def test_what_an_encoding_lacks_is_written_in_plainer_signs() -> None:
    assert encodable("81.2 ± 0.3 ↑ – … ä", "latin-1") == "81.2 ± 0.3 ^ - ... ä"
    assert encodable("81.2 ± 0.3 ↑ – … ä", "ascii") == "81.2 +- 0.3 ^ - ... \\xe4"
