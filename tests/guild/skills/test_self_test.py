"""A skill that breaks its word is refused, and the item is shown."""

import random
from dataclasses import dataclass, replace
from itertools import count as counting
from pathlib import Path
from typing import Any

import pytest

from realm.guild.skills import get_skill
from realm.guild.skills.definition import load_skill
from realm.guild.skills.self_test import SelfTest, self_test

SKILL = load_skill(Path(__file__).parent / "adder.yaml")


@dataclass(frozen=True)
class Item:
    level: int
    prompt: str
    answer: str
    id: str = "x"
    difficulty: str = "easy"
    operation: str = "count"
    space_size: int = 10_000
    space_split: str = "hash"


class Honest:
    """Keeps its word. Item n of a level is the number n; exams are those below 2,000."""

    VERSION = "1.0.0"
    LEVELS = range(1, 4)
    SIGNS = ()
    extractor = "whole-answer@1"

    def make(self, level: int, split: str, index: int) -> Any:
        number = index if split == "exam" else 2000 + index
        return Item(level, f"level {level}: count to {number}", f"{number:b}")

    def sample(self, level: int, count: int, first_index: int = 0) -> list[Any]:
        return [self.make(level, "train", index) for index in range(first_index, first_index + count)]

    def exam(self, level: int, count: int, seed: int | str) -> list[Any]:
        drawn = random.Random(seed).sample(range(5, 2000), count - 5)
        return [self.make(level, "exam", index) for index in (*range(5), *drawn)]

    def score(self, answer: str, item: Any) -> float:
        return float(answer.strip() == item.answer)

    def to_chat(self, item: Any) -> dict[str, Any]:
        return {"messages": [item.prompt, item.answer]}

    def space(self, level: int) -> Any:
        item = self.make(level, "train", 0)
        return type("Space", (), {"size": item.space_size, "split": item.space_split})


def verdict(trainer: type[Honest]) -> SelfTest:
    return self_test(SKILL, lambda skill: trainer())


def test_an_honest_skill_passes() -> None:
    found = verdict(Honest)
    assert found.faults == []
    assert found.items == 3 * 150
    assert found.items_per_second > 0


class WrongGold(Honest):
    def score(self, answer: str, item: Any) -> float:
        return super().score(answer, item) if item.level < 3 else float(answer == "1010")


class Lenient(Honest):
    def score(self, answer: str, item: Any) -> float:
        return float(item.answer in answer)


class Blind(Honest):
    def score(self, answer: str, item: Any) -> float:
        return 1.0


class Leaky(Honest):
    def make(self, level: int, split: str, index: int) -> Any:
        return super().make(level, split, index) if split == "exam" or index != 40 else super().make(level, "exam", 3)


class Forgetful(Honest):
    _starts = counting()

    def __init__(self) -> None:
        self._start = 1000 * next(self._starts)

    def sample(self, level: int, count: int, first_index: int = 0) -> list[Any]:
        return super().sample(level, count, self._start + first_index)


class Seedless(Honest):
    def exam(self, level: int, count: int, seed: int | str) -> list[Any]:
        return super().exam(level, count, 0)


class Restless(Honest):
    def exam(self, level: int, count: int, seed: int | str) -> list[Any]:
        return list(reversed(super().exam(level, count, seed)))


class Moody(Honest):
    def exam(self, level: int, count: int, seed: int | str) -> list[Any]:
        return super().exam(level, count, str(random.random()))


class Repetitive(Honest):
    def exam(self, level: int, count: int, seed: int | str) -> list[Any]:
        items = super().exam(level, count, seed)
        return [*items[:-1], items[0]]


class Short(Honest):
    def exam(self, level: int, count: int, seed: int | str) -> list[Any]:
        return super().exam(level, count, seed)[:4]


class Flat(Honest):
    def make(self, level: int, split: str, index: int) -> Any:
        return replace(super().make(1, split, index), level=level)


class Undivided(Honest):
    def make(self, level: int, split: str, index: int) -> Any:
        return replace(super().make(level, split, index), space_split="none")


class Uncounted(Honest):
    def make(self, level: int, split: str, index: int) -> Any:
        return replace(super().make(level, split, index), space_size=10_000 + index)


@pytest.mark.parametrize(
    ("trainer", "level", "sentence"),
    [
        (WrongGold, 3, "its own answer scores 0 instead of 1"),
        (Lenient, 1, "the wrong answer '00' scores 1"),
        (Blind, 1, "the wrong answer '' scores 1"),
        (Leaky, 1, "a train item stands in an exam, although the level is split"),
        (Forgetful, 1, "when asked for again, it is another item: 'level 1: count to 3000'"),
        (Seedless, 1, "exams of two seeds are the same: the seed must draw the items after the static ones"),
        (Restless, 1, "the first 5 items of an exam depend on its seed: they must be static"),
        (Moody, 1, "the same exam is another one when asked for again"),
        (Repetitive, 1, "a prompt stands twice in one exam"),
        (Short, 1, "an exam has 4 items: a level needs 5 of them"),
        (Flat, 2, "its static items are those of level 1"),
        (Undivided, 1, "a space of 10,000 problems is split 'none': it must be 'hash'"),
        (Uncounted, 1, "an item says 10,001, split 'hash', its level 10,000, 'hash'"),
    ],
)
def test_each_way_to_break_it_is_found(trainer: type[Honest], level: int, sentence: str) -> None:
    faults = verdict(trainer).faults
    assert (level, sentence) in [(fault.level, fault.sentence) for fault in faults]


def test_the_item_at_fault_is_shown() -> None:
    fault = verdict(WrongGold).faults[0]
    assert fault.item
    assert (fault.item.prompt, fault.item.answer) == ("level 3: count to 0", "0")


def test_the_skills_that_ship_pass() -> None:
    found = self_test(get_skill("bin"))
    assert found.faults == []
    assert found.items == 30 * 150
