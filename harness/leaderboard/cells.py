"""What stands in a cell."""

from __future__ import annotations

from harness.leaderboard.board import Column, Row

SIGNIFICANT = 0.05


def score_text(row: Row, column: Column) -> str:
    """``81.2 (−3.1 [−4.0, −2.2])*``; ``-`` = not run, ``–`` = undefined, ``✗`` = failed."""
    score, difference, star = score_parts(row, column)
    return f"{score} ({difference}){star}" if difference else score


def score_parts(row: Row, column: Column) -> tuple[str, str, str]:
    """Score, difference to dense with its interval, and a star where it is significant."""
    score = row.scores.get(column)
    if score is None:
        failed = column.name in row.failures or "" in row.failures
        return "✗" if failed else "-", "", ""
    if score.value is None:
        return "–", "", ""
    text = number(score.value, column)
    if score.spread is not None:
        text += f" ± {number(score.spread, column)}"
    if score.delta is None:
        return text, "", ""
    difference = number(score.delta, column, sign=True)
    if score.low is not None and score.high is not None:
        difference += f" [{number(score.low, column)}, {number(score.high, column)}]"
    star = "*" if score.p is not None and score.p < SIGNIFICANT else ""
    return text, difference, star


def number(value: float, column: Column, *, sign: bool = False) -> str:
    """Percentages with one digit, other scores with three significant ones below 10."""
    digits = 1 if column.unit == "%" or abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
