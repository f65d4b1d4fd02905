"""What the realm is doing now, read from its files. Writes nothing."""

from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from realm import __version__
from realm.cli.ended_quests import EndedQuests
from realm.cli.failures import sentence
from realm.cli.figures import age
from realm.core.control import LEVELS, ONE_SHOTS, Control
from realm.core.game import GOLD_PER_QUEST, STEPS_PER_LEVEL
from realm.core.history import DamagedHistory
from realm.core.paths import Home, HomeError
from realm.core.quests import STATES, QuestQueue, State
from realm.core.queue_look import QueueLook
from realm.core.status import (
    BattleStatus,
    OracleStatus,
    QueueWatcherStatus,
    SchedulerStatus,
    Status,
    StatusError,
    TavernStatus,
    TrainingStatus,
    WatchtowerStatus,
    freshness,
    is_locked,
    read_status,
)

SHOWN_NEXT = 3

Document = TypeVar("Document", bound=Status)


class Daemon(Struct, frozen=True):
    """What may be said about a daemon; null where it has written no status yet."""

    alive: bool
    progressing: bool
    age_s: float | None = None  # since it last wrote
    interval_s: float | None = None  # in which it promised to write again
    state: str | None = None
    phase: str | None = None
    phase_s: float | None = None  # since its work loop's last tick, when it wrote
    phase_limit_s: float | None = None

    @property
    def is_silent(self) -> bool:
        return self.age_s is None or self.interval_s is None or abs(self.age_s) > 3 * self.interval_s


class Asked(Struct, frozen=True):
    """A flag or a hold that lies in control/."""

    by: str  # .pause, .stop, or "hold of <daemon>"
    at: datetime
    reason: str


class Report(Struct, frozen=True):
    """Everything `realm status` tells."""

    home: str
    format: str
    version: str
    at: datetime
    daemons: dict[str, Daemon]
    training: TrainingStatus | None
    battle: BattleStatus | None
    queue_watcher: QueueWatcherStatus | None
    scheduler: SchedulerStatus | None
    oracle: OracleStatus | None
    step: int | None
    queue: dict[str, int | None]
    next: list[str]
    paused_by: list[Asked]
    one_shots: list[str]  # asked for and not yet obeyed
    completed_quests: int | None
    gold: int | None
    problems: list[str]

    @property
    def level(self) -> int | None:
        return None if self.step is None else self.step // STEPS_PER_LEVEL


class Reporter:
    """Reads one home, once or every second. What cannot be read is null, and its reason among the problems."""

    def __init__(self, home: Home):
        self.home = home
        self.queue = QueueLook(QuestQueue(home))
        self.control = Control(home)
        self.ended = EndedQuests(home.history)

    def report(self, now: datetime) -> Report:
        """Raises HomeError if there is no realm here, or one of another format."""
        self.now = now
        self.problems: list[str] = []
        self.home.check_format()
        if not self.home.format_file.exists():
            raise HomeError(f"{self.home.root} is no realm's home: run `realm init`")
        if missing := [place.path for place in self.home.missing()]:
            self.problems.append(f"the home lacks {', '.join(missing)}: run `realm init`")
        training = self._document(TrainingStatus)
        battle = self._document(BattleStatus)
        watcher = self._document(QueueWatcherStatus)
        scheduler = self._document(SchedulerStatus)
        oracle = self._document(OracleStatus)
        said = (
            ("trainer", training),
            ("queue-watcher", watcher),
            ("scheduler", scheduler),
            ("watchtower", self._document(WatchtowerStatus)),
            ("tavern", self._document(TavernStatus)),
            ("oracle", oracle),
        )
        completed = self._completed_quests()
        return Report(
            home=str(self.home.root),
            format=self.home.format_file.read_text().strip(),
            version=__version__,
            at=self.now,
            daemons={name: self._daemon(name, document) for name, document in said},
            training=training,
            battle=battle,
            queue_watcher=watcher,
            scheduler=scheduler,
            oracle=oracle,
            step=self._step(training),
            queue={state: self._count(state) for state in STATES},
            next=self._next(),
            paused_by=self._paused_by(),
            one_shots=[name for name in ONE_SHOTS if (self.home.control / f".{name}").exists()],
            completed_quests=completed,
            gold=None if completed is None else GOLD_PER_QUEST * completed,
            problems=self.problems,
        )

    def _document(self, schema: type[Document]) -> Document | None:
        try:
            return read_status(self.home.status / schema.FILE, schema)  # type: ignore[attr-defined]
        except (OSError, StatusError) as error:
            self.problems.append(sentence(error))
            return None

    def _daemon(self, name: str, said: Status | None) -> Daemon:
        try:
            alive = is_locked(self.home.locks / f"{name}.lock")
        except OSError as error:
            self.problems.append(sentence(error))
            alive = False
        if said is None:
            return Daemon(alive=alive, progressing=False)
        fresh = freshness(said, self.now, alive)
        daemon = Daemon(
            alive=alive,
            progressing=fresh.progressing,
            age_s=fresh.age_s,
            interval_s=said.interval_s,
            state=said.state,
            phase=said.phase,
            phase_s=(said.heartbeat_at - said.ticked_at).total_seconds(),
            phase_limit_s=said.phase_limit_s,
        )
        then = "" if fresh.progressing else f", {age(fresh.age_s)} ago"
        self.problems += [f"{name}{then}: {problem}" for problem in said.problems]
        return daemon

    def _step(self, training: TrainingStatus | None) -> int | None:
        """XP: from the training status; from the ledger where that says nothing."""
        if training and training.step is not None:
            return training.step
        from realm.core.checkpoint_ledger import get_ledger

        latest = get_ledger(self.home.current_model).get_latest()
        return latest.step if latest else None

    def _count(self, state: State) -> int | None:
        try:
            return len(self.queue.names(state))
        except OSError:  # of a missing folder we have told already
            return None

    def _next(self) -> list[str]:
        try:
            return self.queue.next(SHOWN_NEXT)
        except OSError:
            return []

    def _paused_by(self) -> list[Asked]:
        flags = [flag for name in LEVELS if (flag := self.control.flag(name))]
        try:
            holds = self.control.holds()
        except OSError:
            holds = []
        return [
            *(Asked(f".{flag.name}", flag.placed_at, flag.reason) for flag in flags),
            *(Asked(f"hold of {hold.daemon}", hold.placed_at, hold.reason) for hold in holds),
        ]

    def _completed_quests(self) -> int | None:
        try:
            self.ended.look(self.now)
        except (OSError, DamagedHistory) as error:
            self.problems.append(sentence(error))
            return None
        return self.ended.completed
