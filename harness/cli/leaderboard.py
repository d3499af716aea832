"""``harness leaderboard``: rank all records of a results folder."""

from __future__ import annotations

from harness.cli import options


def leaderboard(results: options.ResultsOption = None, as_json: options.JsonOption = False) -> int:
    """Rank all filed records; rewrite Markdown and CSV where they changed."""
    from harness.cli import render
    from harness.errors import InputError
    from harness.leaderboard import write_boards
    from harness.store import Store

    folder = results or options.RESULTS
    store = Store(folder)
    boards = write_boards(store)
    render.print_damaged(store.notes.values())
    if not boards:
        raise InputError(f"{folder}: no records; `harness run` files them")
    render.print_boards(boards, folder, as_json=as_json)
    return 0
