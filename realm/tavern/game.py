"""GET /api/game: the hero in numbers, each of them measured, null where it was not; skills; achievements.

XP is the step of the trainer's status, gold is counted from history, levels follow from the annals.
"""

import statistics
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import bottle
import orjson
from msgspec import to_builtins

from realm.armory.heroes import HERO_FILE, HeroError, get_hero, load_hero
from realm.core.config import ConfigError, load_config
from realm.core.game import STEPS_PER_LEVEL
from realm.core.history import DamagedHistory
from realm.core.jsonl import last_lines
from realm.core.loopback import answer
from realm.core.paths import Home
from realm.core.status import StatusError, TrainingStatus, freshness, is_locked, read_status
from realm.guild.annals import Graded
from realm.guild.exams import wilson_interval
from realm.guild.hero_stats import hero_stats
from realm.guild.progression import WINDOW
from realm.guild.skills import Skill, SkillError
from realm.tavern.achievements import achievements
from realm.tavern.climb import Climb, Rung
from realm.tavern.deed_book import DeedBook
from realm.tavern.deeds import EventDeeds, LedgerDeeds, QuestDeeds

PACE_ROWS = 512  # newest rows of metrics that are read for the speed
PACE_TIME = timedelta(minutes=5)  # of which no older ones count
PIECES = 8  # equal parts of them, whose speeds show how far speed spreads


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The game."""
    game = Game(home)
    app.get("/api/game", callback=lambda: answer(game.now()))


class Game:
    """Follows the records of one home; any thread may ask."""

    def __init__(self, home: Home):
        self._home = home
        self._looking = threading.Lock()
        self._quests, self._events, self._ledger = QuestDeeds(home), EventDeeds(home), LedgerDeeds(home)
        self._climb, self._book = Climb(home), DeedBook(home)

    def now(self) -> dict[str, Any]:
        with self._looking:
            self._problems: list[str] = []
            is_counted = self._could(self._quests.look)
            self._could(self._events.look)
            self._could(self._climb.look)
            self._could(self._book.look)
            counted = (self._quests, self._climb, self._book)
            tallies = (*(one.tally for one in counted), *self._events.tallies.values(), self._ledger.look())
            return {
                "at": datetime.now(UTC),
                "hero": self._hero(),
                **self._numbers(self._trained(), self._quests.completed if is_counted else None),
                "skills": [_skill(skill, self._climb) for skill in self._climb.skills.values()],
                "achievements": achievements(tallies),
                "problems": self._problems,
            }

    def _could(self, look: Callable[[], None]) -> bool:
        """Whether everything could be read; if not, one of the problems says why."""
        try:
            look()
        except (DamagedHistory, SkillError, OSError) as error:
            self._problems.append(str(error))
            return False
        return True

    def _trained(self) -> TrainingStatus | None:
        try:
            return read_status(self._home.status / TrainingStatus.FILE, TrainingStatus)
        except (StatusError, OSError) as error:
            self._problems.append(str(error))
            return None

    def _hero(self) -> dict[str, str] | None:
        try:
            hero = load_config(self._home.config_file).model_name
            file = self._home.models / hero / HERO_FILE
            known = load_hero(file) if file.exists() else get_hero(hero, self._home.configs)
        except (ConfigError, HeroError):
            return None
        return {"id": known.id, "name": known.name}

    def _numbers(self, trained: TrainingStatus | None, completed: int | None) -> dict[str, Any]:
        step = self._ledger.latest_step if trained is None or trained.step is None else trained.step
        stats = hero_stats(
            step,
            trained.loss_ema if trained else None,
            trained.validation_loss if trained else None,
            completed,
            self._climb.standings.values(),
        )
        return {
            "xp": step,
            "level": stats.level,
            "xp_in_level": None if step is None else step % STEPS_PER_LEVEL,
            "steps_per_level": STEPS_PER_LEVEL,
            "attack": stats.attack,
            "defence": stats.defence,
            "accuracy": stats.accuracy,
            "gold": stats.gold,
            "loss": trained and trained.loss,
            "loss_ema": trained and trained.loss_ema,
            "validation_loss": trained and trained.validation_loss,
            "validation_step": trained and trained.validation_step,
            **self._next_level(trained, datetime.now(UTC)),
        }

    def _next_level(self, trained: TrainingStatus | None, now: datetime) -> dict[str, Any]:
        """At the speed of the last minutes, and between the quartiles of its parts; None while nothing is trained."""
        pace = self._pace(trained, now)
        if pace is None or trained is None or trained.step is None:
            return {"seconds_to_next_level": None, "seconds_to_next_level_range": None, "pace": None}
        missing = STEPS_PER_LEVEL - trained.step % STEPS_PER_LEVEL
        slowest, fastest = pace.quartiles or (None, None)
        return {
            "seconds_to_next_level": missing / pace.steps_per_second,
            "seconds_to_next_level_range": [missing / fastest, missing / slowest] if slowest and fastest else None,
            "pace": pace._asdict(),
        }

    def _pace(self, trained: TrainingStatus | None, now: datetime) -> "Pace | None":
        if trained is None or trained.state != "working":
            return None
        if not freshness(trained, now, is_locked(self._home.locks / "trainer.lock")).progressing:
            return None
        return _pace_of(last_lines(self._home.metrics / "trainer.jsonl", PACE_ROWS))


class Pace(NamedTuple):
    """How fast steps were made lately."""

    steps_per_second: float
    quartiles: tuple[float, float] | None  # of PIECES equal parts; None where a part has none, as of too few steps
    seconds: float  # that were looked at
    steps: int


def _pace_of(lines: Sequence[bytes]) -> Pace | None:
    """From rows of metrics, oldest first, back to the last rewind. The mean speed lies between the quartiles, too."""
    rows: list[tuple[datetime, int]] = []
    for line in lines:
        match _row(line):
            case {"rewind_to_step": int()}:
                rows = []
            case {"step": int(step), "at": str(at)}:
                rows.append((datetime.fromisoformat(at), step))
    recent = [row for row in rows if rows[-1][0] - row[0] <= PACE_TIME]
    if len(recent) < 2 or not (speed := _speed(recent[0], recent[-1])):
        return None
    bounds = [recent[part * (len(recent) - 1) // PIECES] for part in range(PIECES + 1)]
    speeds = [_speed(begin, end) for begin, end in pairwise(bounds)]
    quartiles = None
    if all(speeds):
        low, _, high = statistics.quantiles([one for one in speeds if one], n=4, method="inclusive")
        quartiles = (min(low, speed), max(high, speed))
    return Pace(speed, quartiles, (recent[-1][0] - recent[0][0]).total_seconds(), recent[-1][1] - recent[0][1])


def _speed(begin: tuple[datetime, int], end: tuple[datetime, int]) -> float | None:
    """Steps a second between two rows."""
    seconds, steps = (end[0] - begin[0]).total_seconds(), end[1] - begin[1]
    return steps / seconds if seconds > 0 and steps > 0 else None


def _row(line: bytes) -> Any:
    """None for garbage, as a power cut leaves it."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _skill(skill: Skill, climb: Climb) -> dict[str, Any]:
    now = climb.standings[skill.id]
    return {
        "id": skill.id,
        "name": skill.name,
        "icon": skill.icon,
        "color": skill.color,
        "description": skill.description,
        "max_level": now.max_level,
        "mastered_level": now.mastered_level,
        "training_level": now.training_level,
        "threshold": now.threshold,
        "window_size": WINDOW,
        "window": [_exam(one) for one in now.window],
        "regressed": [one.level for one in now.regressions],
        "ladder": [_rung(skill.id, level, title, climb) for level, title in skill.levels.items()],
        "level_ups": to_builtins(now.level_ups),
    }


def _rung(skill: str, level: int, title: str, climb: Climb) -> dict[str, Any]:
    rung = climb.rungs.get((skill, level), Rung())
    return {
        "level": level,
        "title": title,
        "taught": climb.taught[skill, level],
        "exams": rung.exams,
        "latest": rung.latest and _exam(rung.latest),
        "accuracies": rung.accuracies,
    }


def _exam(exam: Graded) -> dict[str, Any]:
    low, high = wilson_interval(exam.correct, exam.count)
    return {
        "exam": exam.exam,
        "at": exam.at,
        "level": exam.level,
        "correct": exam.correct,
        "count": exam.count,
        "accuracy": exam.accuracy,
        "low": low,
        "high": high,
        "checkpoint": exam.checkpoint,
    }
