"""Names that no one should have given, and what shows that they are text alone."""

from collections.abc import Iterable

from harness.leaderboard import Board, make_boards
from harness.record import EvalRecord, FailureRecord, PruneRecord
from tests.unit.test_leaderboard import difference, eval_record, failure_of, prune_record

NAMES = (
    # Rich
    "m[/v2]",
    "[bold red]x[/]",
    "[link=https://evil.example]x[/link]",
    ":skull:",
    # Markdown
    "a|b",
    "a\n| b | c |\n",
    "<script>alert(1)</script>",
    "<!-- x",
    "`code`",
    "[x](https://evil.example)",
    "![x](http://evil.example/x.png)",
    "[x]: https://evil.example",
    "**bold** _thin_ ~~gone~~ snake_case",
    "# heading",
    "- entry",
    "1. entry",
    "> said",
    "---",
    "&lt;&#60;",
    "$x$",
    "\\|\\",
    # Spreadsheets
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "＝1",
    # Terminals
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example\x1b\\x",
    "\x9b31m",
    "\u202egpj.exe",
    "\u2066x\u2069",
    "\u2028x\u2029",
    "a\rb",
    "a\x08b\x7f",
    "\ufeffx\u200b",
    # Only unusual
    "名前 ä é",
    "x" * 200,
)


def is_inert(text: str) -> bool:
    """Whether no character but the line break and the blank is one that is not printed."""
    return all(char.isprintable() or char == "\n" for char in text)


def nasty_records(
    names: Iterable[str] = NAMES,
) -> tuple[list[PruneRecord], list[EvalRecord], list[FailureRecord]]:
    """Records in which every text from outside is nasty, one model each."""
    prunes: list[PruneRecord] = []
    evals: list[EvalRecord] = []
    failures: list[FailureRecord] = []
    for place, name in enumerate(names):
        pruned = prune_record(name, source=str(place))
        part = pruned.asked.parts[0].model_copy(update={"distribution": name, "version": name})
        asked = pruned.asked.model_copy(update={"parts": (part,), "model": {"weights": str(place)}})
        pruned = pruned.model_copy(update={"asked": asked, "model": name})
        got = {
            "metrics": {name: 1.0},
            "breakdown": {name: -1.5},
            "absent": {f"other {name}": name},
        }
        dense = eval_record("dense", -2.0, task=name, profile=name, got=got, edition=name)
        row = eval_record(name, -1.0, pruned=pruned, task=name, profile=name, got=got, edition=name)
        same = {"model": {"weights": str(place)}}
        for record in (dense, row):
            changed = record.asked.model_copy(update=same)
            found = record.got.model_copy(update={"metric": name})
            update = {"asked": changed, "got": found, "model": name}
            evals.append(record.model_copy(update=update))
        failed = failure_of(evals[-1], reason=name)
        failures.append(failed.model_copy(update={"row": f"failed {name}", "model": name}))
        prunes.append(pruned)
    return prunes, evals, failures


def nasty_boards() -> list[Board]:
    """A board for each name."""
    prunes, evals, failures = nasty_records()
    comparisons = {record.key: difference(-1.0, -2.0, 0.5, 0.01) for record in evals[1::2]}
    boards = make_boards(prunes, evals, failures, comparisons)
    assert len(boards) == len(NAMES)
    return boards
