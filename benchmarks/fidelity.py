"""Leaderboards of `benchmarks/fidelity.sh` as the Markdown table of docs/fidelity.md.

python benchmarks/fidelity.py OUT/*.json
"""

import json
import sys
from pathlib import Path

#: (clean, official), as the boards call them.
PAIRS = [
    ("wanda", "local=wanda-bias-official"),
    ("wanda", "local=wanda-padding-official"),
    ("wanda", "local=wanda-matrix-official"),
    ("wanda", "wanda-official"),
    ("magnitude", "magnitude-official"),
    ("sparsegpt", "sparsegpt-official"),
    ("sparsegpt", "local=sparsegpt-ecoflap-official"),
    ("global-magnitude", "score=signed-magnitude-official budget=pooled-threshold local=scores"),
    ("global-magnitude", "global-magnitude budget=pooled-threshold-official"),
    ("global-magnitude", "global-magnitude-official"),
    ("ecoflap-first", "ecoflap-first budget=capped-proportional-official"),
    ("ecoflap-first", "ecoflap-first score=first-order-aobd-official"),
    ("ecoflap-first", "ecoflap-first-official"),
    ("global-gradient", "global-gradient-official"),
    ("ecoflap", "ecoflap score.batch_size=8"),
    ("ecoflap score.batch_size=8", "ecoflap score=zeroth-order-official"),
    ("ecoflap", "ecoflap-official"),
    ("ecoflap-sparsegpt", "ecoflap-sparsegpt-official"),
]

#: Task, as the boards call it -> decimals.
TASKS = {"vqav2 @0:400": 2, "nocaps @0:100": 3}

Scores = dict[str, float]


def rows(board: Path) -> dict[tuple[str, float], tuple[Scores, list[int]]]:
    """(pruner, sparsity) -> scores by task, mean over seeds, and the seeds."""
    return {
        (row["pruner"], row["sparsity"]): (
            {task: cell["score"] for task, cell in row["scores"].items()},
            row["seeds"],
        )
        for content in json.loads(board.read_text())
        for row in content["rows"]
    }


def line(label: str, sparsity: float, clean: Scores, official: Scores) -> str:
    """One row: for both tasks clean, official and their difference."""
    cells = []
    for task, digits in TASKS.items():
        a, b = clean[task], official[task]
        cells += [f"{a:.{digits}f}", f"{b:.{digits}f}", f"{a - b:+.{digits}f}"]
    return f"| {label} | {sparsity:g} | {' | '.join(cells)} |"


def main(boards: list[Path]) -> None:
    """Print the table; pairs that are not complete are left out."""
    print("| clean → official | sparsity | VQA | official | diff. | CIDEr-D | official | diff. |")
    print("|---|---|---|---|---|---|---|---|")
    for board in boards:
        found = rows(board)
        for clean, official in PAIRS:
            for sparsity in sorted({s for _, s in found if s}):
                pair = found.get((clean, sparsity)), found.get((official, sparsity))
                if pair[0] is None or pair[1] is None or pair[0][1] != pair[1][1]:
                    continue
                if not all(task in scores for task in TASKS for scores, _ in pair):
                    continue
                label = f"`{clean}` → `{official}`"
                if board.stem == "half":
                    label += ", bfloat16"
                print(line(label, sparsity, pair[0][0], pair[1][0]))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
