"""How often our tokenizer agrees with the Java one that pycocoevalcap runs, and where it does not.

    python benchmarks/ptb.py FILE …

A FILE is text, a caption or a paragraph on each line, or annotations in JSON, of which every
`caption` and every `raw` counts. Needs Java and pycocoevalcap.
"""

import json
import sys
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from ptb_texts import java_tokens

from harness_tasks.metrics.ptb import tokenize

SHOWN = 20


def read_lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    lines = captions(json.loads(text)) if path.suffix == ".json" else text.split("\n")
    return [joined for line in lines if (joined := " ".join(line.split()))]


def captions(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            if key in {"caption", "raw"} and isinstance(value, str):
                yield value
            else:
                yield from captions(value)
    elif isinstance(content, list):
        for entry in content:
            yield from captions(entry)


def difference(ours: str, java: str) -> str:
    """The tokens that differ, ``ours -> Java's``."""
    mine, other = ours.split(" "), java.split(" ")
    spans = SequenceMatcher(None, mine, other, autojunk=False).get_opcodes()
    return ", ".join(
        f"{' '.join(mine[a:b])!r} -> {' '.join(other[c:d])!r}"
        for kind, a, b, c, d in spans
        if kind != "equal"
    )


def main() -> None:
    print("| file | lines | equal | |\n|---|---|---|---|")
    missed = []
    for path in map(Path, sys.argv[1:]):
        lines = read_lines(path)
        pairs = list(zip(map(tokenize, lines), java_tokens(lines), strict=True))
        wrong = [(ours, java) for ours, java in pairs if ours != java]
        equal = len(lines) - len(wrong)
        print(f"| {path.name} | {len(lines)} | {equal} | {equal / len(lines):.3%} |")
        missed += wrong
    for ours, java in missed[:SHOWN]:
        print(f"\n{difference(ours, java)}\n  in: {java[:80]}")


if __name__ == "__main__":
    main()
