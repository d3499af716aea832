"""How tables are fitted to a terminal."""

from harness.cli.render import BORDER, fitting


def test_columns_are_cut_where_the_room_ends() -> None:
    widths = [5, 5, 5, 20, 5]

    parts = fitting(widths, 2 * (5 + BORDER))

    assert [widths[part] for part in parts] == [[5, 5], [5], [20], [5]]
    assert fitting(widths, 1000) == [slice(0, 5)]
    assert [widths[part] for part in fitting(widths, 0)] == [[5], [5], [5], [20], [5]]
    assert fitting([], 80) == []
