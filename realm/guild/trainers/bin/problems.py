"""Problems: which exist at a level, which of them are exam, and how one is drawn."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from realm.guild.trainers.bin.bands import LEVELS, SIGNALS, UNLOCK, width
from realm.guild.trainers.bin.operands import NIBBLE_FACTOR, SIGNED_NIBBLE_FACTOR, Draw, Operands
from realm.guild.trainers.bin.operations import OPERATIONS, Operation

SPLITS = ("train", "exam")
MOST_DRAWS = 10_000

_SPLIT_FROM = 5_000  # smaller spaces are shared by both splits
_EXAM_SALT = "bin exam 27 "  # with it every operation has exam problems, and equals both kinds, at each split level
_ROWS = tuple(OPERATIONS.values())
_TRACED_FACTORS = {"multiply": NIBBLE_FACTOR, "multiply_signed": SIGNED_NIBBLE_FACTOR}
_TRACED_ROWS = tuple(replace(row, operands=_TRACED_FACTORS.get(row.name, row.operands)) for row in _ROWS)


@dataclass(frozen=True, slots=True)
class Problem:
    """An operation on operands."""

    operation: Operation
    operands: Operands
    width: int  # bits

    @property
    def written_operands(self) -> list[str]:
        return [self.operation.operand_notation(operand, self.width) for operand in self.operands]

    @property
    def text(self) -> str:
        """The canonical form, by which problems are told apart."""
        return f"{self.operation.name}({', '.join(self.written_operands)})"

    @property
    def value(self) -> Any:
        return self.operation.value(*self.operands)

    @property
    def result(self) -> str:
        return self.operation.value_notation(self.value, self.width)

    @property
    def equation(self) -> str:
        return self.operation.equation(*self.operands, self.value)


@dataclass(frozen=True)
class Space:
    """How many (operation, operands, signal) a level has; split by "hash", or, where they are few, "none"."""

    size: int
    split: str


@cache
def space(level: int) -> Space:
    """Chains and auxiliary tasks are not counted. Raises ValueError for a level that is not in LEVELS."""
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r}: BIN has the levels {LEVELS.start} to {LEVELS.stop - 1}")
    problems = sum(operation.operands.count(width(level)) for operation in _ROWS)
    size = problems * len(SIGNALS)
    return Space(size, "hash" if size >= _SPLIT_FROM else "none")


def rows(level: int, difficulty: str) -> Sequence[Operation]:
    """All operations; where a trace of two wide factors would grow past what a small hero reads, with one narrow."""
    return _TRACED_ROWS if level >= UNLOCK and difficulty == "expert" else _ROWS


def draw_problem(level: int, split: str, draw: Draw, choices: Sequence[Operation] = _ROWS) -> Problem:
    """A problem of the asked split, its operation uniform; at a level that is not split, any problem."""
    operation = choices[draw(len(choices))]
    split_by_hash = space(level).split == "hash"
    for _ in range(MOST_DRAWS):
        problem = Problem(operation, operation.operands.draw(draw, width(level)), width(level))
        if not split_by_hash or is_exam(problem.text) == (split == "exam"):
            return problem
    raise RuntimeError(f"no {split} problem of {operation.name} at level {level} in {MOST_DRAWS:,} draws")


def is_exam(problem: str) -> bool:
    """Of a canonical form. The signal is left out: what an exam asks for is never trained under another signal."""
    digest = hashlib.sha256((_EXAM_SALT + problem).encode()).digest()
    return int.from_bytes(digest[:8], "big") % 5 == 0
