"""Achievements: what the records say was reached, and when. Nothing is kept: the same files give the same list."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple


class Goal(NamedTuple):
    """Earned when `measure` reaches `need`."""

    id: str
    icon: str
    title: str
    text: str
    measure: str
    need: float = 1


GOALS = (
    Goal("first_blood", "⚔️", "First blood", "The first quest is completed.", "quests"),
    Goal("quests_10", "🗡️", "Adventurer", "Ten quests are completed.", "quests", 10),
    Goal("quests_100", "🛡️", "Veteran", "A hundred quests are completed.", "quests", 100),
    Goal("quests_1000", "🏰", "Legend", "A thousand quests are completed.", "quests", 1000),
    Goal("tokens_1m", "📖", "Reader", "A million tokens are trained.", "tokens", 10**6),
    Goal("tokens_10m", "📚", "Bookworm", "Ten million tokens are trained.", "tokens", 10**7),
    Goal("tokens_100m", "🏛️", "Librarian", "A hundred million tokens are trained.", "tokens", 10**8),
    Goal("tokens_1g", "🌌", "Omnivore", "A thousand million tokens are trained.", "tokens", 10**9),
    Goal("level_1", "🌱", "Level 1", "A thousand steps are trained.", "step", 1_000),
    Goal("level_5", "🌿", "Level 5", "Five thousand steps are trained.", "step", 5_000),
    Goal("level_10", "🌳", "Level 10", "Ten thousand steps are trained.", "step", 10_000),
    Goal("level_50", "🏔️", "Level 50", "Fifty thousand steps are trained.", "step", 50_000),
    Goal("streak_3", "🔥", "Warm", "Quests were completed on three days in a row (UTC).", "streak", 3),
    Goal("streak_7", "☄️", "On fire", "Quests were completed on seven days in a row (UTC).", "streak", 7),
    Goal("streak_30", "🌋", "Unstoppable", "Quests were completed on thirty days in a row (UTC).", "streak", 30),
    Goal("night_shift", "🦉", "Night shift", "A quest was completed between 3 and 4 in the night (UTC).", "night"),
    Goal("skipper", "⏭️", "Skipper", "A quest was skipped; what was trained of it stays.", "skipped"),
    Goal("second_wind", "🎐", "Second wind", "A quest that had failed was completed after all.", "second_wind"),
    Goal("first_mastery", "🎓", "Apprentice", "The first level of a skill is mastered.", "mastered"),
    Goal("mastered_10", "🧙", "Journeyman", "Ten levels are mastered, over all skills.", "mastered", 10),
    Goal("the_byte", "👾", "The byte", "Eight bits: level 7 of BIN is mastered.", "mastered_bin", 7),
    Goal("perfect_exam", "💯", "Flawless", "Every answer of an exam of twenty items or more was right.", "perfect"),
    Goal("shield", "🔰", "Steady shield", "A checkpoint has DEF 1: a validation loss of 1 or less.", "defence"),
    Goal("undying", "💀", "Undying", "The trainer was cut off without a word, and came back.", "undying"),
    Goal("full_disk", "🪫", "Squeezed through", "The disk was full, and work went on afterwards.", "full_disk"),
    Goal("phoenix", "🐦‍🔥", "Phoenix", "A damaged seal was found, and training went on to another one.", "phoenix"),
)
BY_MEASURE: dict[str, list[Goal]] = defaultdict(list)
for _goal in GOALS:
    BY_MEASURE[_goal.measure].append(_goal)


class Earned(NamedTuple):
    at: datetime
    evidence: str  # a file of the home, and what of it


class Tally:
    """What the records of one file have shown so far, in their order: a clock that is set back takes nothing away."""

    def __init__(self) -> None:
        self.have: dict[str, float] = {}
        self.earned: dict[str, Earned] = {}

    def reach(self, measure: str, value: float, at: datetime, evidence: str) -> None:
        """The greatest value is kept, and for each goal the first record that reached it."""
        self.have[measure] = max(value, self.have.get(measure, value))
        for goal in BY_MEASURE.get(measure, ()):
            if value >= goal.need and goal.id not in self.earned:
                self.earned[goal.id] = Earned(at, evidence)


def achievements(tallies: Iterable[Tally]) -> list[dict[str, Any]]:
    """All goals in their order; where several files show one, by the earliest record."""
    tallies = list(tallies)
    return [_shown(goal, tallies) for goal in GOALS]


def _shown(goal: Goal, tallies: list[Tally]) -> dict[str, Any]:
    earned = min((one.earned[goal.id] for one in tallies if goal.id in one.earned), default=None)
    return {
        "id": goal.id,
        "icon": goal.icon,
        "title": goal.title,
        "text": goal.text,
        "earned_at": earned and earned.at,
        "evidence": earned and earned.evidence,
        "have": max((one.have.get(goal.measure, 0) for one in tallies), default=0),
        "need": goal.need,
    }
