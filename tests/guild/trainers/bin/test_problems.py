"""Levels, spaces and splits: counted by brute force, and no exam problem is ever trained."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from realm.guild.trainers.bin import DIFFICULTIES, LEVELS, OPERATIONS, Item, Space, make, space

SPLIT_LEVELS = [level for level in LEVELS if space(level).split == "hash"]
PAIRS = ("add", "multiply", "equals", "lessthan", "greaterthan", "minimum", "maximum")
SINGLES = ("increment", "decrement", "multiply_by_2", "divide_by_2", "tobinary", "todecimal")
SIGNED_PAIRS = ("add_signed", "subtract_signed", "multiply_signed")
SIGNED_SINGLES = ("negate", "absolute_value")


def circled(number: int) -> str:
    return bin(number)[2:].replace("0", "⓪").replace("1", "①")


def belongs(widest: int, level: int) -> bool:
    return len(bin(widest)) - 2 == level + 1 or (level == 1 and widest < 4)


def all_problems(level: int) -> Iterator[str]:
    """Every problem of a level, by trying all numbers and all digit strings."""
    numbers = range(2 ** (level + 1))
    for a, b in product(numbers, repeat=2):
        if belongs(max(a, b), level):
            yield from (f"{name}({circled(a)}, {circled(b)})" for name in PAIRS)
            if a >= b:
                yield f"subtract({circled(a)}, {circled(b)})"
    for a in numbers:
        if belongs(a, level):
            names = [name for name in SINGLES if name != "decrement" or a > 0]
            yield from (f"{name}({a if name == 'tobinary' else circled(a)})" for name in names)
    numerals = ["".join(digits) for digits in product("⓪①", repeat=level + 1)]
    yield from (f"{name}({a}, {b})" for name in SIGNED_PAIRS for a, b in product(numerals, repeat=2))
    yield from (f"{name}({a})" for name in SIGNED_SINGLES for a in numerals)


def of_split(items: list[Item], split: str) -> list[Item]:
    return [item for item in items if item.split == split]


@pytest.mark.parametrize("level", LEVELS)
def test_a_space_counts_every_problem_with_every_signal_once(level: int) -> None:
    problems = list(all_problems(level))
    assert len(set(problems)) == len(problems)
    assert space(level).size == len(problems) * 4


def test_the_two_smallest_spaces_are_not_split() -> None:
    assert space(1) == Space(804, "none")
    assert space(2) == Space(2_376, "none")
    assert space(3) == Space(9_168, "hash")
    assert SPLIT_LEVELS == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("level", LEVELS)
def test_items_hold_problems_of_their_level_only(level: int, items: dict[int, list[Item]]) -> None:
    assert {item.problem for item in items[level]} <= set(all_problems(level))


def test_both_splits_of_level_1_draw_every_problem(items: dict[int, list[Item]]) -> None:
    for split in ("train", "exam"):
        assert {item.problem for item in of_split(items[1], split)} == set(all_problems(1))


def test_levels_share_no_problem(items: dict[int, list[Item]]) -> None:
    problems = [{item.problem for item in items[level]} for level in LEVELS]
    assert sum(map(len, problems)) == len(set().union(*problems))


@pytest.mark.parametrize("level", SPLIT_LEVELS)
def test_ten_thousand_train_items_hold_no_exam_problem(level: int, items: dict[int, list[Item]]) -> None:
    trained = {make(level, "train", index).problem for index in range(10_000)}
    exam = {item.problem for item in of_split(items[level], "exam")}
    assert trained.isdisjoint(exam)
    assert not any(map(is_exam, trained))
    assert all(map(is_exam, exam))


def is_exam(problem: str) -> bool:
    """The split as it was once fixed; were it to change, past training would hold later exams."""
    digest = hashlib.sha256(f"bin exam 27 {problem}".encode()).hexdigest()
    return int(digest[:16], 16) % 5 == 0


@pytest.mark.parametrize("level", SPLIT_LEVELS)
def test_one_fifth_of_a_split_space_is_exam(level: int) -> None:
    verdicts = [is_exam(problem) for problem in all_problems(level)]
    assert sum(verdicts) / len(verdicts) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("split", ["train", "exam"])
def test_operations_are_uniform(level: int, split: str, items: dict[int, list[Item]]) -> None:
    drawn = of_split(items[level], split)
    counts = Counter(item.operation for item in drawn)
    assert all(near(counts[name], len(drawn), 1 / 19) for name in OPERATIONS)


@pytest.mark.parametrize("level", LEVELS)
def test_difficulties_come_in_their_mix(level: int, items: dict[int, list[Item]]) -> None:
    mix = (0.50, 0.35, 0.12, 0.03) if level <= 5 else (0.40, 0.35, 0.20, 0.05)
    counts = Counter(item.difficulty for item in items[level])
    assert all(
        near(counts[difficulty], len(items[level]), share) for difficulty, share in zip(DIFFICULTIES, mix, strict=True)
    )


def near(count: int, total: int, share: float) -> bool:
    """Within four standard deviations of a binomial draw."""
    return abs(count - total * share) < 4 * math.sqrt(total * share * (1 - share))


@pytest.mark.parametrize("level", LEVELS)
def test_about_half_of_equals_is_true(level: int, items: dict[int, list[Item]]) -> None:
    for split in ("train", "exam"):
        equals = [item for item in of_split(items[level], split) if item.operation == "equals"]
        truths = sum("= True" in item.answer for item in equals)
        assert 0.38 < truths / len(equals) < 0.62


def test_numbers_of_every_width_are_drawn_beside_the_widest(items: dict[int, list[Item]]) -> None:
    operands = [item.problem[4:-1].split(", ") for item in items[7] if item.operation == "add"]
    assert {min(map(len, pair)) for pair in operands} >= {3, 4, 5, 6, 7, 8}
