"""What became of each subject, as a table."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from tests.protocol.subject import Complaint, Kind

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass
class Row:
    """One subject under one fault."""

    subject: str
    fault: str
    points: int = 0
    counts: dict[Kind, int] = field(default_factory=dict)  # points with a complaint, by kind
    complaints: list[str] = field(default_factory=list)

    def add(self, point: object, complaints: Iterable[Complaint], *, is_point: bool = True) -> None:
        told = list(complaints)
        self.points += is_point
        self.counts = dict(Counter(self.counts) + Counter({complaint.kind for complaint in told}))
        self.complaints += [f"{self.subject}, {self.fault} at {point}: {kind}: {text}" for kind, text in told]


def lines(rows: Iterable[Row], title: str = "transition") -> list[str]:
    """Faults side by side: for each subject the points struck, and how many of them had a complaint, by kind."""
    rows = list(rows)
    width = max(len(title), *(len(row.subject) for row in rows))
    head = f"{title:{width}}  {'fault':8}{'points':>7}" + "".join(f"{kind:>9}" for kind in KINDS)
    total = Row("all", "", sum(row.points for row in rows))
    total.counts = dict(sum((Counter(row.counts) for row in rows), Counter[Kind]()))
    return [head, *(_line_of(row, width) for row in [*rows, total])]


def _line_of(row: Row, width: int) -> str:
    counts = "".join(f"{row.counts.get(kind, 0):9}" for kind in KINDS)
    return f"{row.subject:{width}}  {row.fault:8}{row.points:7}{counts}"
