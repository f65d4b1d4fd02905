"""The metrics' rows: which claim each step was trained for, and with how many tokens."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from realm.sentinels.audit.lines import Lines

NONE = 0  # claims are numbered from 1


class Row(Struct, gc=False):
    """A step's, or one that says what became of others."""

    step: int | None = None
    claim: int = NONE
    tokens: int = 0
    rewind_to_step: int | None = None


@dataclass
class Rows:
    """Eight bytes a step: the last row of each, without those that a rewind undid. Step 1 stands at index 0."""

    claims: "array[int]" = field(default_factory=lambda: array("I"))
    tokens: "array[int]" = field(default_factory=lambda: array("I"))

    @property
    def last_step(self) -> int:
        return len(self.claims)

    def take(self, row: Row) -> None:
        if row.rewind_to_step is not None:
            del self.claims[row.rewind_to_step :], self.tokens[row.rewind_to_step :]
        elif row.step:
            missing = max(0, row.step - self.last_step)
            self.claims.extend([NONE] * missing)
            self.tokens.extend([0] * missing)
            self.claims[row.step - 1], self.tokens[row.step - 1] = row.claim, row.tokens

    def holes(self) -> Iterator[tuple[int, int]]:
        """First and last of the steps between rows that have none."""
        first = None
        for step, claim in enumerate(self.claims, start=1):
            if claim == NONE:
                first = first or step
            elif first:
                yield first, step - 1
                first = None


def read_rows(files: Iterable[Path], lines: Lines) -> Rows:
    rows = Rows()
    for file in files:
        for row in lines.of(file, Row):
            rows.take(row)
    return rows
