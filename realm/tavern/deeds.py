"""What history, events and the ledger show of the goals that achievements are given for."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec

from realm.core.checkpoint_ledger import SIDECAR, CheckpointLedger
from realm.core.events import Event, events_after
from realm.core.history import DamagedHistory, EndedQuest
from realm.core.jsonl import Position
from realm.core.paths import DAEMONS, Home
from realm.tavern.achievements import Tally
from realm.tavern.following import Growing

NIGHT_HOUR = 3  # UTC
DISK_WORDS = re.compile("free some space|are free in")  # what a daemon says when a disk is full


class QuestDeeds(Growing):
    """Of history/trainer.jsonl."""

    def __init__(self, home: Home):
        self._decoder = msgspec.json.Decoder(EndedQuest)
        super().__init__(home.history / "trainer.jsonl")

    def begin(self) -> None:
        super().begin()
        self.tally = Tally()
        self.completed = self._tokens = self._run = 0
        self._last_day = date.min
        self._failed: set[str] = set()

    def take(self, line: bytes, number: int) -> None:
        try:
            ended = self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DamagedHistory(f"{self.path}, line {number}: {error}") from None
        evidence = f"history/{self.path.name}, line {number}: {ended.quest}"
        self._tokens += ended.tokens
        self.tally.reach("tokens", self._tokens, ended.ended_at, evidence)
        first_step = ended.data.get("first_step")
        if isinstance(first_step, int):
            self.tally.reach("step", first_step + ended.steps, ended.ended_at, evidence)
        if ended.outcome == "completed":
            self._complete(ended, evidence)
        elif ended.outcome == "failed":
            self._failed.add(ended.quest)
        elif ended.outcome == "skipped":
            self.tally.reach("skipped", 1, ended.ended_at, evidence)

    def _complete(self, ended: EndedQuest, evidence: str) -> None:
        self.completed += 1
        self._count_day(ended.ended_at.date())
        self.tally.reach("quests", self.completed, ended.ended_at, evidence)
        self.tally.reach("streak", self._run, ended.ended_at, evidence)
        if ended.ended_at.hour == NIGHT_HOUR:
            self.tally.reach("night", 1, ended.ended_at, evidence)
        if ended.quest in self._failed:
            self.tally.reach("second_wind", 1, ended.ended_at, evidence)

    def _count_day(self, day: date) -> None:
        """A clock that was set back breaks no streak, and makes none."""
        if day > self._last_day:
            self._run = self._run + 1 if day - self._last_day == timedelta(days=1) else 1
            self._last_day = day


class EventDeeds:
    """Of events/: as far back as they are kept."""

    def __init__(self, home: Home):
        self.tallies = {daemon: Tally() for daemon in DAEMONS}
        self._files = {daemon: home.events / f"{daemon}.jsonl" for daemon in DAEMONS}
        self._positions: dict[str, Position] = {}
        self._is_up = self._is_damaged = False
        self._short: set[str] = set()  # daemons whose disk is full

    def look(self) -> None:
        for daemon, file in self._files.items():
            if file.exists():
                events, self._positions[daemon] = events_after(file, self._positions.get(daemon))
                for event in events:
                    if event.daemon == daemon:  # it is no stray line
                        self._take(event)

    def _take(self, event: Event) -> None:
        if event.kind in ("resource.short", "seal.late") and DISK_WORDS.search(event.text):
            self._short.add(event.daemon)
        elif event.kind == "resource.back" and event.daemon in self._short:
            self._short.discard(event.daemon)
            self._reach("full_disk", 1, event)
        elif event.daemon == "trainer" and event.kind in TRAINERS:
            TRAINERS[event.kind](self, event)

    def _started(self, event: Event) -> None:
        if self._is_up:
            self._reach("undying", 1, event)
        self._is_up = True

    def _ended(self, event: Event) -> None:
        self._is_up = False

    def _level(self, event: Event) -> None:
        self._reach("step", event.step or 0, event)

    def _incident(self, event: Event) -> None:
        self._is_damaged |= "a seal does not verify" in event.text

    def _sealed(self, event: Event) -> None:
        if self._is_damaged:
            self._reach("phoenix", 1, event)
        self._is_damaged = False

    def _reach(self, measure: str, value: float, event: Event) -> None:
        evidence = f"events/{event.daemon}.jsonl, id {event.id}: {event.text}"
        self.tallies[event.daemon].reach(measure, value, event.at, evidence)


TRAINERS: dict[str, Callable[[EventDeeds, Event], None]] = {
    "daemon.started": EventDeeds._started,
    "daemon.ended": EventDeeds._ended,
    "hero.level": EventDeeds._level,
    "incident.opened": EventDeeds._incident,
    "seal.written": EventDeeds._sealed,
}


class LedgerDeeds:
    """Of the checkpoints that lie in current_model/."""

    def __init__(self, home: Home):
        self._ledger = CheckpointLedger(home.current_model)
        self.latest_step: int | None = None

    def look(self) -> Tally:
        """Anew each time: checkpoints go as they come."""
        tally = Tally()
        records = self._ledger.list_all()
        self.latest_step = records[0].step if records else None
        for record in reversed(records):
            at = datetime.fromisoformat(record.timestamp)
            evidence = str(Path("current_model", record.canonical_name, SIDECAR))
            tally.reach("step", record.step, at, evidence)
            if record.val_loss:
                tally.reach("defence", 1 / record.val_loss, at, evidence)
        return tally
