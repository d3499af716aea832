"""Records -> boards: what may stand beside each other, in which order, with which doubts shown.

A board holds one model on one edition. Rows are ranked within a sparsity, by what they keep of the
dense score on the tasks that all of them have. Subsets and limits have boards of their own.
"""

from harness.asked import hash_of
from harness.leaderboard.board import Board, Column, Row, Score
from harness.leaderboard.cells import score_parts
from harness.leaderboard.comparing import Comparison, compare_all, items_of
from harness.leaderboard.csv_file import to_csv
from harness.leaderboard.details import make_details
from harness.leaderboard.markdown import to_markdown
from harness.leaderboard.ranking import make_boards
from harness.store import Store

__all__ = [
    "Board",
    "Column",
    "Comparison",
    "Row",
    "Score",
    "compare_all",
    "items_of",
    "make_boards",
    "make_details",
    "score_parts",
    "to_csv",
    "to_markdown",
    "write_boards",
]


def write_boards(store: Store, digest: str | None = None) -> list[Board]:
    """Make the boards of one model, or all, from the records; write what changed.

    Args:
        digest: Of the model whose boards are made; a run touches no other's.
    """
    evals = [r for r in store.evals() if digest in (None, hash_of(dict(r.asked.model)))]
    boards = make_boards(store.prunes(), evals, store.failures(), compare_all(store, evals))
    for board in boards:
        store.write_leaderboard(f"{board.name}.md", to_markdown(board))
        store.write_leaderboard(f"{board.name}.csv", to_csv(board))
    return boards
