"""What a level is said to be made of is what its items have."""

import re

import pytest

from realm.guild.trainers.bin import LEVELS, OPERATIONS, attributes, make, space
from realm.guild.trainers.bin.numerals import ONE, ZERO

DRAWN = 600  # items; a share is off by five standard deviations at most
DIGITS = re.compile(f"[{ZERO}{ONE}]+")


@pytest.mark.parametrize("level", [1, 7, 8, 18, 30])
def test_the_values_are_those_of_its_items(level: int) -> None:
    told = attributes(level)
    items = [make(level, "train", index) for index in range(DRAWN)]
    plain = [item for item in items if item.operation in OPERATIONS and item.operation != "tobinary"]
    assert max(len(digits) for item in plain for digits in DIGITS.findall(item.problem)) == told["bits"]
    for difficulty in ("easy", "medium", "hard", "expert"):
        assert near(sum(item.difficulty == difficulty for item in items), told[difficulty])
    assert near(sum(ZERO + "\n" in item.prompt for item in items), told["in symbols"])
    assert (
        max(item.problem.count("(") for item in items if item.operation == "chain" or level < 8)
        == told["calls in a call"]
    )
    assert {item.operation for item in plain} <= set(OPERATIONS)
    assert told["operations"] == len(OPERATIONS)
    assert told["problems"] == space(level).size


def near(count: int, share: str | int) -> bool:
    expected = int(str(share).removesuffix(" %")) / 100
    return abs(count / DRAWN - expected) <= 5 * (expected * (1 - expected) / DRAWN) ** 0.5


def test_every_level_is_told_in_the_same_words() -> None:
    assert len({tuple(attributes(level)) for level in LEVELS}) == 1
    assert attributes(1)["exam problems"] == "shared"
    assert attributes(3)["exam problems"] == "one in five"
    with pytest.raises(ValueError, match="unknown level 31"):
        attributes(31)
