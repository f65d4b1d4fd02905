"""Levels, spaces and splits: counted by brute force, and no exam problem is ever trained.

REALM_TEST_TRAIN_ITEMS=100000 looks at so many train items of every split level, in a quarter of an hour.
"""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from realm.guild.trainers.bin import DIFFICULTIES, LEVELS, OPERATIONS, Item, Space, make, space
from tests.guild.trainers.bin.conftest import BANDS, NARROW, SAMPLES, Sample, of_split
from tests.guild.trainers.bin.wide_checker import check

SPLIT_LEVELS = [level for level in LEVELS if space(level).split == "hash"]
COUNTED = [level for level in SPLIT_LEVELS if level in NARROW]  # small enough to try all problems
TRAIN_ITEMS = os.environ.get("REALM_TEST_TRAIN_ITEMS")
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


@pytest.mark.parametrize("level", NARROW)
def test_a_space_counts_every_problem_with_every_signal_once(level: int) -> None:
    problems = list(all_problems(level))
    assert len(set(problems)) == len(problems)
    assert space(level).size == len(problems) * 4


def test_the_two_smallest_spaces_are_not_split() -> None:
    assert space(1) == Space(804, "none")
    assert space(2) == Space(2_376, "none")
    assert space(3) == Space(9_168, "hash")
    assert list(range(3, 31)) == SPLIT_LEVELS


def test_a_level_is_one_bit_wider_than_the_last_and_the_last_has_32() -> None:
    for level in SPLIT_LEVELS:
        width = 32 if level == 30 else level + 1
        half, whole = 2 ** (width - 1), 2**width
        pairs, falling = whole**2 - half**2, sum((half, whole - 1, 2)) * half // 2
        assert space(level).size == 4 * (7 * pairs + falling + 6 * half + 3 * whole**2 + 2 * whole)


@pytest.mark.parametrize("band", BANDS)
def test_the_innermost_call_has_an_operand_of_the_levels_width(band: range, items: dict[Sample, list[Item]]) -> None:
    for item in items[band]:
        numerals = re.findall("[⓪①]+", item.problem) or [circled(int(item.problem[9:-1]))]
        width = 32 if item.level == 30 else item.level + 1
        innermost = item.problem.rpartition("(")[2].partition(")")[0].split(", ")
        assert width in map(len, innermost if item.operation == "chain" else numerals), item
        assert item.operation == "chain" or width == max(map(len, numerals)), item


@pytest.mark.parametrize("level", NARROW)
def test_items_hold_problems_of_their_level_only(level: int, items: dict[Sample, list[Item]]) -> None:
    assert {item.problem for item in items[level]} <= set(all_problems(level))


def test_both_splits_of_level_1_draw_every_problem(items: dict[Sample, list[Item]]) -> None:
    for split in ("train", "exam"):
        assert {item.problem for item in of_split(items[1], split)} == set(all_problems(1))


def test_levels_share_no_problem(items: dict[Sample, list[Item]]) -> None:
    problems: dict[int, set[str]] = {level: set() for level in LEVELS}
    for sample in SAMPLES:
        for item in items[sample]:
            problems[item.level].add(item.problem)
    assert sum(map(len, problems.values())) == len(set().union(*problems.values()))


@pytest.mark.parametrize("level", SPLIT_LEVELS if TRAIN_ITEMS else [*COUNTED, 8, 19, 30])
def test_train_items_tell_no_result_that_an_exam_asks_for(level: int) -> None:
    exam = {make(level, "exam", index).problem for index in range(2_000)}
    assert all(map(is_exam, exam))
    told: set[str] = set()
    for index in range(int(TRAIN_ITEMS or (10_000 if level in NARROW else 4_000))):
        item = make(level, "train", index)
        told.update([item.problem] if level in NARROW else check(item.prompt, item.answer))
    assert told.isdisjoint(exam)
    assert not any(map(is_exam, told))


def is_exam(problem: str) -> bool:
    """The split as it was once fixed; were it to change, past training would hold later exams."""
    digest = hashlib.sha256(f"bin exam 27 {problem}".encode()).hexdigest()
    return int(digest[:16], 16) % 5 == 0


@pytest.mark.parametrize("level", COUNTED)
def test_one_fifth_of_a_split_space_is_exam(level: int) -> None:
    verdicts = [is_exam(problem) for problem in all_problems(level)]
    assert sum(verdicts) / len(verdicts) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("level", NARROW)
@pytest.mark.parametrize("split", ["train", "exam"])
def test_operations_are_uniform(level: int, split: str, items: dict[Sample, list[Item]]) -> None:
    drawn = of_split(items[level], split)
    counts = Counter(item.operation for item in drawn)
    assert all(near(counts[name], len(drawn), 1 / 19) for name in OPERATIONS)


MIXES = {
    **dict.fromkeys(range(1, 6), (0.50, 0.35, 0.12, 0.03)),
    **dict.fromkeys((6, 7, BANDS[0]), (0.40, 0.35, 0.20, 0.05)),
    BANDS[1]: (0.30, 0.35, 0.25, 0.10),
    BANDS[2]: (0.25, 0.30, 0.30, 0.15),
    BANDS[3]: (0.20, 0.30, 0.30, 0.20),
    BANDS[4]: (0.15, 0.25, 0.35, 0.25),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_difficulties_come_in_their_mix(sample: Sample, items: dict[Sample, list[Item]]) -> None:
    counts = Counter(item.difficulty for item in items[sample])
    for difficulty, share in zip(DIFFICULTIES, MIXES[sample], strict=True):
        assert near(counts[difficulty], len(items[sample]), share)


@pytest.mark.parametrize("band", BANDS)
def test_three_items_of_four_have_a_symbol_language(band: range, items: dict[Sample, list[Item]]) -> None:
    for split in ("train", "exam"):
        drawn = of_split(items[band], split)
        assert near(sum("\n" in item.prompt for item in drawn), len(drawn), 0.75)


def test_digits_have_any_of_twenty_pairs_of_signs_in_either_order(items: dict[Sample, list[Item]]) -> None:
    pairs = Counter(tuple(item.prompt.split("\n")[:2]) for band in BANDS for item in items[band] if "\n" in item.prompt)
    assert len(pairs) == 40
    assert all(near(count, pairs.total(), 1 / 40) for count in pairs.values())


DEPTHS = {
    "easy": {1: 1.0},
    "medium": {1: 1 / 2, 2: 1 / 2},
    "hard": {1: 1 / 3, 2: 1 / 3, 3: 1 / 3},
    "expert": {1: 2 / 5, 3: 1 / 5, 4: 1 / 5, 5: 1 / 5},
}


@pytest.mark.parametrize("band", BANDS)
def test_calls_are_nested_as_deep_as_the_difficulty_says(band: range, items: dict[Sample, list[Item]]) -> None:
    exam = of_split(items[band], "exam")
    for difficulty, shares in DEPTHS.items():
        depths = Counter(item.problem.count("(") for item in exam if item.difficulty == difficulty)
        assert set(depths) == set(shares)
        assert all(near(depths[depth], depths.total(), share) for depth, share in shares.items() if share < 1)


def test_chains_nest_what_gives_a_number_and_may_end_in_a_comparison(items: dict[Sample, list[Item]]) -> None:
    chains = [item.problem for band in BANDS for item in items[band] if item.operation == "chain"]
    nested = {"add", "subtract", "multiply", "increment", "decrement", "minimum", "maximum", "multiply_by_2"}
    nested |= {"add_signed", "subtract_signed", "negate", "absolute_value"}
    assert {problem.partition("(")[0] for problem in chains} == nested | {"equals", "lessthan", "greaterthan"}
    assert {name for problem in chains for name in re.findall(r"([a-z_2]+)\(", problem)[1:]} == nested
    signed = [problem for problem in chains if "signed" in problem or "negate" in problem or "absolute" in problem]
    assert max(problem.count("(") for problem in signed) == 3


def test_a_chain_ends_in_true_equality_as_well_as_in_false(items: dict[Sample, list[Item]]) -> None:
    ends = [item for band in BANDS for item in items[band] if item.problem.startswith("equals(")]
    chained = ["True" in item.answer for item in ends if item.operation == "chain"]
    assert 0.35 < sum(chained) / len(chained) < 0.65


@pytest.mark.parametrize("band", BANDS)
def test_one_easy_or_medium_train_item_in_five_is_an_auxiliary_task(
    band: range, items: dict[Sample, list[Item]]
) -> None:
    def auxiliary(drawn: list[Item]) -> list[Item]:
        return [item for item in drawn if "Compute" not in item.prompt]

    able = [item for item in of_split(items[band], "train") if item.difficulty in ("easy", "medium")]
    kinds = Counter(item.operation for item in auxiliary(able))
    assert near(kinds.total(), len(able), 0.2)
    assert len(kinds) == 7
    assert all(near(count, kinds.total(), 1 / 7) for count in kinds.values())
    assert len(auxiliary(items[band])) == kinds.total()


@pytest.mark.parametrize(
    ("operation", "word", "least", "most"),
    [
        ("true_false", "True", 0.4, 0.6),
        ("overflow", "overflow", 0.3, 0.7),
        ("comparison", " < ", 0.25, 0.42),
        ("comparison", " = ", 0.25, 0.42),
        ("comparison", " > ", 0.25, 0.42),
    ],
)
def test_no_answer_to_an_auxiliary_task_is_the_rule(
    operation: str, word: str, least: float, most: float, items: dict[Sample, list[Item]]
) -> None:
    asked = [
        item for band in BANDS for item in items[band] if item.operation == operation and item.difficulty == "easy"
    ]
    assert least < sum(word in item.answer for item in asked) / len(asked) < most


def test_expert_factors_are_a_nibble_and_others_are_not(items: dict[Sample, list[Item]]) -> None:
    def widths(difficulty: str) -> set[int]:
        drawn = [item for item in items[BANDS[-1]] if item.difficulty == difficulty and item.operation == "multiply"]
        return {len(item.problem[:-1].split(", ")[1]) for item in drawn}

    assert max(widths("expert")) == 4
    assert max(widths("hard")) > 26


def near(count: int, total: int, share: float) -> bool:
    """Within four standard deviations of a binomial draw."""
    return abs(count - total * share) < 4 * math.sqrt(total * share * (1 - share))


@pytest.mark.parametrize("level", NARROW)
def test_about_half_of_equals_is_true(level: int, items: dict[Sample, list[Item]]) -> None:
    for split in ("train", "exam"):
        equals = [item for item in of_split(items[level], split) if item.operation == "equals"]
        truths = sum("= True" in item.answer for item in equals)
        assert 0.38 < truths / len(equals) < 0.62


def test_numbers_of_every_width_are_drawn_beside_the_widest(items: dict[Sample, list[Item]]) -> None:
    operands = [item.problem[4:-1].split(", ") for item in items[7] if item.operation == "add"]
    assert {min(map(len, pair)) for pair in operands} >= {3, 4, 5, 6, 7, 8}
