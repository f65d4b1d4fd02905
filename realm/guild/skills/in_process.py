"""A skill whose package is in this process: what the package offers, and samples and exams made from it."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain, islice
from typing import Any, Protocol, cast

from realm.guild.exams import EXTRACTOR, Item
from realm.guild.skills.contract import STATIC, SkillError, Space
from realm.guild.skills.definition import Skill

ROOM = "realm.guild.trainers"
MOST_DRAWS = 50  # for each item of an exam; a space that yields no more by then is too small


class Package(Protocol):
    """What a package of realm.guild.trainers offers. `Item` is its dataclass of plain data."""

    VERSION: str
    LEVELS: Sequence[int]
    SIGNS: Sequence[str]
    Item: type

    def make(self, level: int, split: str, index: int) -> Any: ...
    def score(self, answer: str, item: Any) -> float: ...
    def to_chat(self, item: Any) -> dict[str, Any]: ...
    def space(self, level: int) -> Space: ...


class InProcessTrainer:
    extractor = EXTRACTOR

    def __init__(self, skill: Skill, name: str):
        """Raises SkillError for a package that does not exist, or that is not what the skill's file says."""
        package = _package(skill, name)
        self.VERSION, self.LEVELS, self.SIGNS, self.Item = skill.version, package.LEVELS, package.SIGNS, package.Item
        self.make, self.score, self.to_chat, self.space = package.make, package.score, package.to_chat, package.space
        self._id = skill.id

    def sample(self, level: int, count: int, first_index: int = 0) -> Sequence[Item]:
        return [self.make(level, "train", index) for index in range(first_index, first_index + count)]

    def exam(self, level: int, count: int, seed: int | str) -> Sequence[Item]:
        """The static ones are the first of the exam split; the others begin where the seed's hash says."""
        first = STATIC + _hash(f"{self._id} exam {level} {seed}")
        static = _distinct(self.make(level, "exam", index) for index in range(MOST_DRAWS))
        drawn = (self.make(level, "exam", first + draw) for draw in range(MOST_DRAWS * count))
        return list(islice(_distinct(chain(islice(static, STATIC), drawn)), count))


def attributes_of(skill: Skill) -> dict[int, Mapping[str, str | int]]:
    """What each level is made of, in the words of its package; nothing where that tells none, or is not here.

    Raises SkillError.
    """
    if skill.in_process is None:
        return {}
    package = _package(skill, skill.in_process)
    attributes: Callable[[int], Mapping[str, str | int]] | None = getattr(package, "attributes", None)
    return {level: attributes(level) for level in package.LEVELS} if attributes else {}


def _package(skill: Skill, name: str) -> Package:
    try:
        package = cast(Package, import_module(f"{ROOM}.{name}"))
    except ModuleNotFoundError:
        raise SkillError(f"{skill.id}.yaml: in_process: there is no package {ROOM}.{name}") from None
    if skill.version != package.VERSION:
        raise SkillError(f"{skill.id}.yaml says version {skill.version}, its package {package.VERSION}: make them one")
    if list(package.LEVELS) != list(skill.levels):
        raise SkillError(
            f"{skill.id}.yaml has {len(skill.levels)} levels, its package {len(package.LEVELS)}: name those in the file"
        )
    return package


def _distinct(items: Iterable[Item]) -> Iterator[Item]:
    """Without those whose prompt came before."""
    seen: set[str] = set()
    for item in items:
        if item.prompt not in seen:
            seen.add(item.prompt)
            yield item


def _hash(text: str) -> int:
    """Below 2^48, so that two seeds hardly ever draw the same item."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
