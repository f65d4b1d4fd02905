"""What `realm watch` shows, read from the realm's files. Of files that only grow, each look reads what is new."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from realm.armory.heroes import HERO_FILE, Hero, HeroError, load_hero
from realm.cli.events import event_files, news
from realm.cli.failures import sentence
from realm.cli.loss_rows import LossRows
from realm.cli.status_report import Report, Reporter
from realm.core.config import ConfigError, load_config
from realm.core.events import Event, tail
from realm.core.jsonl import end_of
from realm.core.paths import Home

KEPT_EVENTS = 100


class Scene(Struct, frozen=True):
    """One look."""

    report: Report
    hero: Hero | None
    losses: Mapping[int, float]  # by step
    events: list[Event]  # oldest first
    ended_today: int  # quests, with any outcome
    problems: list[str]  # the report's, and our own

    @property
    def waiting(self) -> int:
        return sum(self.report.queue[state] or 0 for state in ("high", "normal", "low"))


class Watcher:
    """Looks at one home."""

    def __init__(self, home: Home):
        """Raises OSError."""
        self._home = home
        self._reporter = Reporter(home)
        self._losses = LossRows(home.metrics)
        self._positions = {path: end_of(path) for path in event_files(home.events)}
        self._events = deque(tail(self._positions, KEPT_EVENTS), maxlen=KEPT_EVENTS)
        self._told = {event.id for event in self._events}
        self._hero: Hero | None = None
        self._hero_problem: list[str] = []
        self._hero_seen: object = "nothing seen yet"

    def look(self, now: datetime) -> Scene:
        """Raises HomeError as Reporter, OSError."""
        report = self._reporter.report(now)
        self._losses.look()
        self._events += news(self._home.events, self._positions, self._told)
        self._look_at_hero()
        return Scene(
            report=report,
            hero=self._hero,
            losses=self._losses.losses,
            events=list(self._events),
            ended_today=self._reporter.ended.today(now),
            problems=[*self._hero_problem, *report.problems],
        )

    def _look_at_hero(self) -> None:
        """Parses YAML, so only if config.json has changed, or while there is no hero."""
        seen = _identity(self._home)
        if seen == self._hero_seen and self._hero:
            return
        self._hero_seen = seen
        try:
            name = load_config(self._home.config_file).model_name
            self._hero, self._hero_problem = load_hero(self._home.models / name / HERO_FILE), []
        except (ConfigError, HeroError, OSError) as error:
            self._hero_problem = [sentence(error)]


def _identity(home: Home) -> tuple[int, int] | None:
    try:
        seen = home.config_file.stat()
    except FileNotFoundError:
        return None
    return seen.st_ino, seen.st_mtime_ns
