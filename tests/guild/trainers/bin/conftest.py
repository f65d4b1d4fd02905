"""The items that the tests of the BIN skill look at: 10,000 a level, half of them exam."""

import pytest

from realm.guild.trainers.bin import LEVELS, Item, make

PER_SPLIT = 5_000


@pytest.fixture(scope="session")
def items() -> dict[int, list[Item]]:
    """level -> its items."""
    return {
        level: [make(level, split, index) for index in range(PER_SPLIT) for split in ("train", "exam")]
        for level in LEVELS
    }
