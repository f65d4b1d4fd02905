"""The rule of the climb: a skill's levels, as a pure function of its exams in the order in which they were graded.

A level is mastered when the last three exams at it, of three checkpoints, have a mean of at least the skill's
threshold. The window then empties. `mastered_level` is the highest level that was; the hero trains one above it.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from realm.guild.annals import Graded, Line, Reverted

WINDOW = 3  # exams


class Ladder(Protocol):
    """What of a skill the rule needs."""

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def max_level(self) -> int: ...
    @property
    def threshold(self) -> float: ...


class LevelUp(Struct, frozen=True):
    """A level that was mastered, with the exams that show it."""

    level: int
    at: str
    mean: float
    evidence: tuple[str, ...]  # folders below exams/, oldest first


class Regression(Struct, frozen=True):
    """A mastered level whose latest exam fell below the threshold."""

    level: int
    accuracy: float
    exam: str
    at: str


class Standing(Struct, frozen=True, kw_only=True):
    """Where the hero stands in one skill."""

    skill: str
    max_level: int
    threshold: float
    mastered_level: int = 0
    window: tuple[Graded, ...] = ()  # at most three, at the training level
    level_ups: tuple[LevelUp, ...] = ()  # those that hold
    regressions: tuple[Regression, ...] = ()  # by level, of those that hold
    latest: Graded | None = None  # at whatever was the training level then

    @property
    def training_level(self) -> int:
        return min(self.mastered_level + 1, self.max_level)

    @property
    def is_complete(self) -> bool:
        return self.mastered_level == self.max_level


def standing(ladder: Ladder, lines: Iterable[Line]) -> Standing:
    """From the annals; lines about other skills count for nothing."""
    now = Standing(skill=ladder.id, max_level=ladder.max_level, threshold=ladder.threshold)
    for line in lines:
        if isinstance(line, Graded) and line.skill == ladder.id:
            now = after_exam(now, line)
        elif isinstance(line, Reverted) and line.skill == ladder.id:
            now = after_revert(now, line)
    return now


def after_exam(now: Standing, exam: Graded) -> Standing:
    """An exam at another level than the training level or a mastered one changes nothing."""
    if exam.level <= now.mastered_level:
        now = _re_examined(now, exam)
    if exam.level != now.training_level or now.is_complete:
        return now
    same_kind = [one for one in now.window if one.version == exam.version and one.checkpoint != exam.checkpoint]
    window = (*same_kind, exam)[-WINDOW:]
    now = replace(now, window=window, latest=exam)
    if len(window) < WINDOW or _mean(window) < Fraction(str(now.threshold)):
        return now
    earned = LevelUp(exam.level, exam.at, float(_mean(window)), tuple(one.exam for one in window))
    return replace(now, mastered_level=exam.level, window=(), level_ups=(*now.level_ups, earned))


def after_revert(now: Standing, revert: Reverted) -> Standing:
    """The level and all above it are to be earned again."""
    if revert.level > now.mastered_level:
        return now
    return replace(
        now,
        mastered_level=revert.level - 1,
        window=(),
        level_ups=tuple(one for one in now.level_ups if one.level < revert.level),
        regressions=tuple(one for one in now.regressions if one.level < revert.level),
    )


def _mean(exams: Sequence[Graded]) -> Fraction:
    """Exact, as 70, 80 and 90 % are 80 % in no floating-point sum."""
    return sum((Fraction(one.correct) / one.count for one in exams), Fraction()) / len(exams)


def _re_examined(now: Standing, exam: Graded) -> Standing:
    others = tuple(one for one in now.regressions if one.level != exam.level)
    fell = exam.accuracy < now.threshold
    found = (Regression(exam.level, exam.accuracy, exam.exam, exam.at),) if fell else ()
    return replace(now, regressions=tuple(sorted((*others, *found), key=lambda one: one.level)))
