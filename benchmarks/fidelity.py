"""Results of `benchmarks/fidelity.sh` as the Markdown table of docs/fidelity.md.

python benchmarks/fidelity.py OUT
"""

import sys
from pathlib import Path

from paired import Rows, difference, items_over_seeds, rows_by_place

from harness.store import Store

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
    ("wanda", "wanda budget=uniform-rows-official"),
    ("wanda", "wanda-vit-official"),
    ("wanda-variant", "wanda-variant-official"),
    ("owl", "owl-official"),
    ("alphapruning", "alphapruning score=hill-official"),
    ("alphapruning", "alphapruning-official"),
    ("atp budget.beta=0.02", "atp-official budget.beta=0.02"),
    ("ria", "ria-official"),
    ("dsnot", "local=wanda+dsnot-lists-official"),
    ("dsnot", "local=wanda+dsnot-skip-official"),
    ("dsnot", "local=wanda+dsnot-variance-official"),
    ("dsnot", "dsnot-official"),
]

PARTS = ("layerwise", "first", "zeroth", "sparsegpt", "half", "budgets", "relative", "exchange")
TASKS = ("vqav2", "nocaps")
DIGITS = {"vqav2": 1, "nocaps": 3}


def cells(store: Store, rows: Rows, clean: str, official: str, sparsity: float) -> list[str]:
    """Per task: clean, official, difference with its paired interval; empty if not complete."""
    found = []
    for (task, _, own), by_row in rows.items():
        if own == sparsity and {clean, official} <= by_row.keys():
            pair = [items_over_seeds(store, by_row[row]) for row in (clean, official)]
            scores = [f"{items.main():.{DIGITS[task]}f}" for items in pair]
            found.append((TASKS.index(task), [*scores, difference(pair[0], pair[1])]))
    return [cell for _, part in sorted(found) for cell in part]


def main(out: Path) -> None:
    """Print the table; pairs that are not complete are left out."""
    heads = ("VQA", "official", "difference", "CIDEr-D", "official", "difference")
    print(f"| clean → official | sparsity | {' | '.join(heads)} |\n{'|---' * (len(heads) + 2)}|")
    printed = set()
    for part in PARTS:
        store = Store(out / part)
        rows = rows_by_place(store)
        for clean, official in PAIRS:
            label = f"`{clean}` → `{official}`" + (", bfloat16" if part == "half" else "")
            for sparsity in (0.5, 0.6):
                found = cells(store, rows, clean, official, sparsity)
                if found and (label, sparsity) not in printed:
                    printed.add((label, sparsity))
                    print(f"| {label} | {sparsity:g} | {' | '.join(found)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
