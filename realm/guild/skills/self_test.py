"""Whether a skill keeps its word: the same items every time, exams that were never trained, graders that can tell."""

import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from realm.guild.exams import Item
from realm.guild.skills.contract import SMALLEST_SPLIT, STATIC, Trainer
from realm.guild.skills.definition import Skill
from realm.guild.skills.registry import trainer_of

TRAIN, EXAM = 100, 50  # items of each level
GRADED = 5  # of each of the two


class Fault(Struct, frozen=True):
    """What is wrong at a level, and an item that shows it."""

    level: int
    sentence: str
    item: Item | None = None


class SelfTest(Struct, frozen=True):
    items: int
    items_per_second: float
    faults: list[Fault]


class _Level(Struct, frozen=True):
    number: int
    train: Sequence[Item]
    exam: Sequence[Item]

    @property
    def static(self) -> list[str]:
        return [item.prompt for item in self.exam[:STATIC]]


def self_test(skill: Skill, begin: Callable[[Skill], Trainer] = trainer_of) -> SelfTest:
    """Looks at every level. `begin` makes a trainer that has made no item yet.

    Raises SkillError for what is no skill's answer at all, SkillUnavailable for none.
    """
    trainer, stranger = begin(skill), begin(skill)
    began = time.perf_counter()
    levels = [_Level(level, trainer.sample(level, TRAIN), trainer.exam(level, EXAM, "one")) for level in skill.levels]
    seconds = time.perf_counter() - began
    items = sum(len(level.train) + len(level.exam) for level in levels)
    faults = [
        fault
        for level in levels
        for look in (_spaces(trainer, level), _repeats(stranger, level), _splits(level), _grades(trainer, level))
        for fault in look
    ]
    return SelfTest(items, items / seconds, [*faults, *_twins(levels)])


def _spaces(trainer: Trainer, level: _Level) -> Iterator[Fault]:
    space = trainer.space(level.number)
    wanted = "hash" if space.size >= SMALLEST_SPLIT else "none"
    if space.split != wanted:
        yield Fault(level.number, f"a space of {space.size:,} problems is split {space.split!r}: it must be {wanted!r}")
    for item in (*level.train, *level.exam):
        if (item.space_size, item.space_split) != (space.size, space.split):
            said = f"{item.space_size:,}, split {item.space_split!r}"
            yield Fault(level.number, f"an item says {said}, its level {space.size:,}, {space.split!r}", item)
            return


def _repeats(stranger: Trainer, level: _Level) -> Iterator[Fault]:
    for item, again in zip(level.train, stranger.sample(level.number, TRAIN), strict=True):
        if (item.prompt, item.answer) != (again.prompt, again.answer):
            yield Fault(level.number, f"when asked for again, it is another item: {again.prompt!r}", item)
            return
    if [one.prompt for one in stranger.exam(level.number, EXAM, "one")] != [one.prompt for one in level.exam]:
        yield Fault(level.number, "the same exam is another one when asked for again")
    other = [one.prompt for one in stranger.exam(level.number, EXAM, "two")]
    if other[:STATIC] != level.static:
        yield Fault(level.number, f"the first {STATIC} items of an exam depend on its seed: they must be static")
    if len(level.exam) == EXAM and other == [one.prompt for one in level.exam]:
        yield Fault(level.number, "exams of two seeds are the same: the seed must draw the items after the static ones")


def _splits(level: _Level) -> Iterator[Fault]:
    if len(level.exam) < STATIC:
        yield Fault(level.number, f"an exam has {len(level.exam)} items: a level needs {STATIC} of them")
    examined = {item.prompt for item in level.exam}
    if len(examined) < len(level.exam):
        yield Fault(level.number, "a prompt stands twice in one exam")
    for item in level.train:
        if item.space_split == "hash" and item.prompt in examined:
            yield Fault(level.number, "a train item stands in an exam, although the level is split", item)
            return


def _grades(trainer: Trainer, level: _Level) -> Iterator[Fault]:
    for item in (*level.exam[:GRADED], *level.train[:GRADED]):
        if (score := trainer.score(item.answer, item)) != 1:
            yield Fault(level.number, f"its own answer scores {score:g} instead of 1", item)
            return
        for wrong in _spoilt(item.answer.strip()):
            if trainer.score(wrong, item) >= 1:
                yield Fault(level.number, f"the wrong answer {wrong!r} scores 1", item)
                return


def _spoilt(answer: str) -> tuple[str, ...]:
    """Nothing; its last sign missing, or doubled; a sign in its middle that no answer has."""
    middle = len(answer) // 2
    return "", answer[:-1], answer + answer[-1], f"{answer[:middle]}¿{answer[middle + 1 :]}"


def _twins(levels: Sequence[_Level]) -> Iterator[Fault]:
    first: dict[tuple[str, ...], int] = {}
    for level in levels:
        twin = first.setdefault(tuple(level.static), level.number)
        if twin != level.number:
            yield Fault(level.number, f"its static items are those of level {twin}", level.exam[0])
