"""The items that the tests of the BIN skill look at: 10,000 a level or band of levels, half of them exam."""

from collections.abc import Sequence

import pytest

from realm.guild.trainers.bin import Item, make

Sample = int | range  # a level, or a band of levels

PER_SPLIT = 5_000
NARROW = range(1, 8)  # levels of single calls in circled digits, each looked at by itself
BANDS = (range(8, 11), range(11, 16), range(16, 21), range(21, 26), range(26, 31))
SAMPLES: tuple[Sample, ...] = (*NARROW, *BANDS)


@pytest.fixture(scope="session")
def items() -> dict[Sample, list[Item]]:
    """A sample's items, the levels of a band in turn."""
    return {sample: _items([sample] if isinstance(sample, int) else sample) for sample in SAMPLES}


def _items(levels: Sequence[int]) -> list[Item]:
    return [
        make(levels[number % len(levels)], split, number // len(levels))
        for number in range(PER_SPLIT)
        for split in ("train", "exam")
    ]


def of_split(items: list[Item], split: str) -> list[Item]:
    return [item for item in items if item.split == split]
