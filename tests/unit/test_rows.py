"""Rows and names that come with data: checked field by field, told in one short line."""

from pathlib import Path
from typing import Any

import pytest

from harness.plugin import DataError, Once, Row, brief, inside, listed, why_outside

FILE = Path("/data/a.json")


def row(**content: Any) -> Row:
    return Row(content, FILE, "rows[3]")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd", "is an absolute path"),
        ("\\\\host\\share", "is an absolute path"),
        ("C:x.jpg", "is an absolute path"),
        ("..", "leads outside by '..'"),
        ("val/../../x.jpg", "leads outside by '..'"),
        ("a/..", "leads outside by '..'"),
        ("..\\x.jpg", "holds a backslash"),
        ("x\0.jpg", "holds a control character"),
        ("x\n.jpg", "holds a control character"),
        ("x\x1b[2J.jpg", "holds a control character"),
        ("x\u2028.jpg", "holds a control character"),
        ("x\udc00.jpg", "is not Unicode"),
        ("", "names no file"),
        (".", "names no file"),
        ("./", "names no file"),
        ("x" * 256, "is 256 bytes long"),
        ("é" * 128, "is 256 bytes long"),
        ("x/" * 600, "is 1,200 bytes long"),
    ],
)
def test_a_name_that_leaves_its_folder_or_is_none_is_refused(name: str, why: str) -> None:
    assert why_outside(name).startswith(why)
    with pytest.raises(ValueError, match=why.partition("'")[0]):
        inside(Path("/data"), name)
    with pytest.raises(DataError) as refused:
        row(image=name).file("image", Path("/data"))
    assert str(refused.value).startswith("/data/a.json, rows[3]: field 'image'")
    assert is_one_short_line(str(refused.value))


@pytest.mark.parametrize(
    "name", ["a.jpg", "val2014/a.jpg", "./a", "..a/b..", "a b.jpg", "é.jpg", "aux.jpg", "x" * 255]
)
def test_other_names_are_files_of_the_folder(name: str) -> None:
    assert inside(Path("/data"), name) == Path("/data", name)


def is_one_short_line(text: str) -> bool:
    return len(text) <= 400 and text.isprintable() and text.isascii()


@pytest.mark.parametrize(
    ("value", "types", "told"),
    [
        ("7", (int,), "'7', not of type int"),
        (True, (int,), "True, not of type int"),
        (1.0, (int, str), "1.0, not of type int or str"),
        (None, (str,), "None, not of type str"),
        ("x" * 9999, (int,), f"'{'x' * 96}..., not of type int"),
        (["y" * 999] * 999, (int,), "['yyyyyyy"),
        ({"k": {"k": {"k": {}}}}, (int,), "{'k': {'k': {...}}}, not of type int"),
        (10**4000, (str,), "10000"),
    ],
)
def test_a_value_of_another_type_is_shown_short(
    value: Any, types: tuple[type, ...], told: str
) -> None:
    with pytest.raises(DataError) as refused:
        row(x=value).get("x", *types)

    assert str(refused.value).startswith(f"/data/a.json, rows[3]: field 'x' is {told}")
    assert is_one_short_line(str(refused.value))


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    why = r"field 'x' holds half of a surrogate pair, which is no text: 'at is red \\ud83d'"
    with pytest.raises(DataError, match=why):
        row(x="What is red \ud83d").get("x", str)
    with pytest.raises(DataError, match="holds half of a surrogate pair"):
        row(x=["red", "\udc00"]).texts("x")
    with pytest.raises(DataError, match=r"rows\[3\].x\[1\]: field 'y' holds half of a surrogate"):
        row(x=[{"y": "red"}, {"y": "\udc00"}]).texts_of("x", "y")


def test_texts_of_objects_are_found_or_their_place_is_told() -> None:
    assert row(x=[{"y": "red"}, {"y": "grün"}]).texts_of("x", "y") == ["red", "grün"]
    assert row(x=[]).texts_of("x", "y") == []
    for entry, why in (
        ({"z": 1}, r"rows\[3\].x\[0\]: field 'y' is missing; it has z"),
        ({"y": 1}, r"rows\[3\].x\[0\]: field 'y' is 1, not of type str"),
        (["y"], r"rows\[3\].x\[0\]: an object is needed, not \['y'\]"),
        ("y", r"rows\[3\].x\[0\]: an object is needed, not 'y'"),
    ):
        with pytest.raises(DataError, match=why):
            row(x=[entry]).texts_of("x", "y")


def test_a_missing_field_is_told_with_those_that_are_there() -> None:
    with pytest.raises(DataError, match="field 'x' is missing; it has y, z$"):
        row(y=1, z=2).get("x", int)
    with pytest.raises(DataError, match="field 'x' is missing; it has nothing$"):
        row().get("x", int)
    with pytest.raises(DataError) as refused:
        row(**{f"key\n{number}": 1 for number in range(9999)}).get("x", int)
    assert is_one_short_line(str(refused.value))


def test_what_stands_there_twice_is_told_with_both_places() -> None:
    once = Once("id")
    once.take(7, Row({}, FILE, "rows[0]"))
    once.take("7", Row({}, FILE, "rows[1]"))

    with pytest.raises(
        DataError, match=r"a.json, rows\[2\]: field 'id' is 7, as that of rows\[0\]"
    ):
        once.take(7, Row({}, FILE, "rows[2]"))
    once.take_if_there(row(name="x"))
    with pytest.raises(DataError, match="field 'id' is None, not of type int or str"):
        once.take_if_there(row(id=None))


def test_messages_show_letters_of_any_kind_in_ascii() -> None:
    assert brief("é\u202e\n") == r"'\xe9\u202e\n'"
    assert listed(["a", "é\n"]) == r"a, \xe9\n"
