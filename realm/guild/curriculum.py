"""What is taught next: a pure function of the settings, the standings, and how many batches there were before."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from msgspec import Struct

from realm.core.config import Curriculum, Mix, SkillPlan
from realm.guild.annals import Dispatched, Part
from realm.guild.progression import Standing

LOOK_AHEAD = 3  # levels above the training level of which `mix.above` takes


class NothingToTeach(LookupError):
    """No skill is enabled, or the settings name one that does not exist; the text says how to mend it."""


class Decision(Struct, frozen=True):
    """The next batch."""

    number: int
    skill: str
    parts: tuple[Part, ...]
    reason: str

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts)


Taught = Counter[tuple[str, int]]  # (skill, level) -> how many of its train items were dispatched


def taught(dispatched: Sequence[Dispatched]) -> Taught:
    counts: Taught = Counter()
    for one in dispatched:
        for part in one.parts:
            counts[one.skill, part.level] = max(counts[one.skill, part.level], part.first_index + part.count)
    return counts


def next_decision(number: int, settings: Curriculum, standings: Mapping[str, Standing], before: Taught) -> Decision:
    """The batch of that number. `standings` has every skill of the realm by its id. Raises NothingToTeach."""
    plans = plans_of(settings, standings)
    enabled = [skill for skill in sorted(standings) if plans[skill].enabled]
    if not enabled:
        raise NothingToTeach("no skill is enabled: `realm curriculum preset balanced` enables all")
    climbing = [skill for skill in enabled if not standings[skill].is_complete]
    skill, reason = STRATEGIES[settings.strategy](number, climbing or enabled, plans, standings)
    if not climbing:
        reason = f"every enabled skill is mastered; {reason}"
    return Decision(number, skill, _parts(settings, standings[skill], before), reason)


def preview(
    count: int, number: int, settings: Curriculum, standings: Mapping[str, Standing], before: Taught
) -> list[Decision]:
    """The next decisions, if no exam is graded meanwhile. Raises NothingToTeach."""
    decisions = []
    so_far = Taught(before)
    for one in range(number, number + count):
        decision = next_decision(one, settings, standings, so_far)
        decisions.append(decision)
        for part in decision.parts:
            so_far[decision.skill, part.level] = part.first_index + part.count
    return decisions


def plans_of(settings: Curriculum, skills: Mapping[str, object]) -> dict[str, SkillPlan]:
    """The plan of every skill. Raises NothingToTeach for a plan of one that does not exist."""
    if unknown := sorted(settings.skills.keys() - skills.keys()):
        raise NothingToTeach(
            f"curriculum.skills names {', '.join(unknown)}, but the skills of this realm are"
            f" {', '.join(sorted(skills))}: choose another preset, or add configs/skills/{unknown[0]}.yaml"
        )
    return {skill: settings.skills.get(skill, settings.others) for skill in skills}


def in_words(parts: Sequence[Part]) -> str:
    """`2,250 of level 5, 750 of levels 1-4`: the highest first, neighbours with equal shares together."""
    groups: list[list[Part]] = []
    for part in sorted(parts, key=lambda part: -part.level):
        above = groups[-1][-1] if groups else None
        if above and above.level == part.level + 1 and abs(above.count - part.count) <= 1:
            groups[-1].append(part)
        else:
            groups.append([part])
    return ", ".join(f"{sum(part.count for part in group):,} of {_levels(group)}" for group in groups)


def _levels(group: Sequence[Part]) -> str:
    highest, lowest = group[0].level, group[-1].level
    return f"level {highest}" if highest == lowest else f"levels {lowest}-{highest}"


# Strategies: (number, skills to choose from, plans, standings) -> (skill, why)

Plans = Mapping[str, SkillPlan]
Chosen = tuple[str, str]


def _equal(number: int, skills: Sequence[str], plans: Plans, standings: Mapping[str, Standing]) -> Chosen:
    return skills[number % len(skills)], "each skill in turn"


def _focus(number: int, skills: Sequence[str], plans: Plans, standings: Mapping[str, Standing]) -> Chosen:
    skill = min(skills, key=lambda one: plans[one].priority)
    return skill, f"priority {plans[skill].priority} comes first"


def _weighted(number: int, skills: Sequence[str], plans: Plans, standings: Mapping[str, Standing]) -> Chosen:
    bounds = list(accumulate(plans[skill].weight for skill in skills))
    place = _fraction(number) * bounds[-1]
    skill = next(skill for skill, bound in zip(skills, bounds, strict=True) if place < bound)
    return skill, f"{plans[skill].weight / bounds[-1]:.0%} of the batches by weight"


def _catch_up(number: int, skills: Sequence[str], plans: Plans, standings: Mapping[str, Standing]) -> Chosen:
    skill = min(skills, key=lambda one: standings[one].mastered_level)
    return skill, f"the lowest: {standings[skill].mastered_level} levels mastered"


STRATEGIES: dict[str, Callable[[int, Sequence[str], Plans, Mapping[str, Standing]], Chosen]] = {
    "equal": _equal,
    "focus": _focus,
    "weighted": _weighted,
    "catch_up": _catch_up,
}


def _fraction(number: int) -> float:
    """Uniform in [0, 1), the same for the same number everywhere and for ever."""
    digest = hashlib.sha256(f"curriculum {number}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


# Levels


def _parts(settings: Curriculum, now: Standing, before: Taught) -> tuple[Part, ...]:
    counts = _counts(settings.batch, settings.mix, now)
    return tuple(Part(level, before[now.skill, level], count) for level, count in sorted(counts.items()))


def _counts(batch: int, mix: Mix, now: Standing) -> dict[int, int]:
    """Level -> items. What a share has no level for goes to the frontier."""
    frontier = now.training_level
    below = range(1, frontier)
    above = range(frontier + 1, min(frontier + LOOK_AHEAD, now.max_level) + 1)
    counts: Counter[int] = Counter()
    for share, levels in ((mix.below, below), (mix.above, above)):
        for place, level in enumerate(levels):
            counts[level] += (round(batch * share) + place) // len(levels)
    counts[frontier] = batch - counts.total()
    return {level: count for level, count in counts.items() if count}
