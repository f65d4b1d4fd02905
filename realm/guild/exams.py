"""Exams: items answered by a hero, graded by the skill, and kept as papers beside their score."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

EXTRACTOR = "whole-answer@1"  # the answer is graded as generated, nothing is searched for inside it


class Item(Protocol):
    """What an exam needs to know of a skill's item."""

    @property
    def id(self) -> str: ...
    @property
    def level(self) -> int: ...
    @property
    def difficulty(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def prompt(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def space_size(self) -> int: ...
    @property
    def space_split(self) -> str: ...


class Paper(Struct, frozen=True, kw_only=True):
    """One graded answer."""

    item: str
    level: int
    difficulty: str
    operation: str
    split: str  # "hash": the problem was never trained; "none": the level's space is too small to split
    space_size: int
    prompt: str
    gold: str
    answer: str
    finished: bool
    score: float
    extractor: str = EXTRACTOR


Generation = dict[str, str | int | bool]


class Report(Struct, frozen=True, kw_only=True):
    """A score with all it depends on."""

    skill: str
    skill_version: str
    levels: list[int]
    checkpoint: str
    checkpoint_digest: str  # SHA-256 of its weights
    sat_at: str  # RFC 3339, UTC
    generation: Generation
    count: int
    correct: float
    accuracy: float
    interval: tuple[float, float]  # Wilson, 95 %
    by_level: dict[str, float]
    by_difficulty: dict[str, float]
    spaces: dict[str, str]  # level -> size of its space and how it is split


def paper(item: Item, answer: str, finished: bool, score: float, extractor: str = EXTRACTOR) -> Paper:
    return Paper(
        item=item.id,
        level=item.level,
        difficulty=item.difficulty,
        operation=item.operation,
        split=item.space_split,
        space_size=item.space_size,
        prompt=item.prompt,
        gold=item.answer,
        answer=answer,
        finished=finished,
        score=score if finished else 0.0,
        extractor=extractor,
    )


def report(
    papers: Sequence[Paper], *, skill: str, version: str, checkpoint: str, digest: str, generation: Generation
) -> Report:
    """The score of all papers together, as of now. Raises ValueError if there are none."""
    correct = sum(one.score for one in papers)
    return Report(
        skill=skill,
        skill_version=version,
        levels=sorted({one.level for one in papers}),
        checkpoint=checkpoint,
        checkpoint_digest=digest,
        sat_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        generation=generation,
        count=len(papers),
        correct=correct,
        accuracy=correct / len(papers),
        interval=wilson_interval(correct, len(papers)),
        by_level=accuracy_by(papers, "level"),
        by_difficulty=accuracy_by(papers, "difficulty"),
        spaces={str(one.level): f"{one.space_size:,} problems, split: {one.split}" for one in papers},
    )


def place_in(report: Report) -> str | None:
    """`cpu: there is no accelerator`: where the answers were made, and why there; None if it was not kept."""
    device, why = (report.generation.get(key) for key in ("device", "device_why"))
    return f"{device}: {why}" if device else None


def wilson_interval(correct: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Bounds of a proportion (Wilson 1927, "Probable inference"), z = 1.96 for 95 %. Raises ValueError for count 0."""
    if count < 1:
        raise ValueError("an interval needs at least one answer")
    share = correct / count
    centre = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def accuracy_by(papers: Sequence[Paper], key: str) -> dict[str, float]:
    """Mean score for each value of a paper's field."""
    groups: dict[str, list[float]] = {}
    for one in papers:
        groups.setdefault(str(getattr(one, key)), []).append(one.score)
    return {name: sum(scores) / len(scores) for name, scores in sorted(groups.items())}
