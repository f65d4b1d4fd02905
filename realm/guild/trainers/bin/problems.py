"""Problems: which exist at a level, which of them are exam, and how one is drawn."""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from realm.guild.trainers.bin.operands import Draw, Operands
from realm.guild.trainers.bin.operations import OPERATIONS, Operation

LEVELS = range(1, 8)
SPLITS = ("train", "exam")
SIGNALS = {"easy": "", "medium": "[verify]", "hard": "[show-work]", "expert": "[trace]"}
DIFFICULTIES = tuple(SIGNALS)

_MIX = {range(1, 6): (50, 35, 12, 3), range(6, 11): (40, 35, 20, 5)}  # levels -> percent of each difficulty
_SPLIT_FROM = 5_000  # smaller spaces are shared by both splits
_EXAM_SALT = "bin exam 27 "  # with it every operation has exam problems, and equals both kinds, at each split level
_MOST_DRAWS = 10_000
_ROWS = tuple(OPERATIONS.values())


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
    """Raises ValueError for a level that is not in LEVELS."""
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r}: BIN has the levels {LEVELS.start} to {LEVELS.stop - 1}")
    problems = sum(operation.operands.count(_width(level)) for operation in _ROWS)
    size = problems * len(SIGNALS)
    return Space(size, "hash" if size >= _SPLIT_FROM else "none")


def draw_difficulty(level: int, draw: Draw) -> str:
    shares = next(shares for levels, shares in _MIX.items() if level in levels)
    percent = draw(100)
    for difficulty, share in zip(DIFFICULTIES, shares, strict=True):
        percent -= share
        if percent < 0:
            return difficulty
    raise AssertionError(f"the difficulties of level {level} do not sum to 100 %")


def draw_problem(level: int, split: str, draw: Draw) -> Problem:
    """A problem of the asked split, its operation uniform; at a level that is not split, any problem."""
    operation = _ROWS[draw(len(_ROWS))]
    split_by_hash = space(level).split == "hash"
    for _ in range(_MOST_DRAWS):
        problem = Problem(operation, operation.operands.draw(draw, _width(level)), _width(level))
        if not split_by_hash or _is_exam(problem) == (split == "exam"):
            return problem
    raise RuntimeError(f"no {split} problem of {operation.name} at level {level} in {_MOST_DRAWS:,} draws")


def _is_exam(problem: Problem) -> bool:
    # The signal is left out: a result that an exam asks for is never trained, not even under another signal.
    digest = hashlib.sha256((_EXAM_SALT + problem.text).encode()).digest()
    return int.from_bytes(digest[:8], "big") % 5 == 0


def _width(level: int) -> int:
    return level + 1
