"""What was tried and how it went, as a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

COLUMNS = ("tried", "lost", "corrupt", "different")


@dataclass
class Table:
    """Counts by stage and fault, and what went wrong in words."""

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, stage: str, fault: str, **found: list[str]) -> None:
        """Count one fault.

        Args:
            found: What was lost, corrupt or different.
        """
        counter = self.counts.setdefault((stage, fault), Counter())
        counter["tried"] += 1
        for kind, cases in found.items():
            counter[kind] += bool(cases)
            self.wrong += [f"{fault} in {stage}: {kind}: {case}" for case in cases]

    def take(self, other: Table) -> None:
        """Count what another process tried."""
        for place, counter in other.counts.items():
            self.counts.setdefault(place, Counter()).update(counter)
        self.wrong += other.wrong

    @property
    def tried(self) -> int:
        return sum(counter["tried"] for counter in self.counts.values())

    def text(self) -> str:
        """Markdown."""
        rows = [("stage", "fault", *COLUMNS), ("---", "---", *["---:"] * len(COLUMNS))]
        for (stage, fault), counter in sorted(self.counts.items()):
            rows.append((stage, fault, *(str(counter[column]) for column in COLUMNS)))
        whole = [str(sum(c[column] for c in self.counts.values())) for column in COLUMNS]
        rows.append(("all", "all", *whole))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
