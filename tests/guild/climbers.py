"""Ladders and exams for tests of the climb."""

from typing import NamedTuple

from realm.guild.annals import Graded


class Ladder(NamedTuple):
    id: str = "bin"
    version: str = "1.0.0"
    max_level: int = 30
    threshold: float = 0.8


def exam(number: int, level: int, accuracy: float, *, skill: str = "bin", version: str = "1.0.0") -> Graded:
    """Of checkpoint `number`, over 50 items."""
    return Graded(
        exam=f"{skill}/checkpoint-{number}-L{level}",
        skill=skill,
        version=version,
        level=level,
        checkpoint=f"checkpoint-{number}",
        at=f"2026-01-01T00:00:{number % 60:02}Z",
        count=50,
        correct=50 * accuracy,
    )
