"""queue-watcher: the daemon that lets drops in.

NAME       realm run queue-watcher
READS      inbox/ (*.jsonl, *.jsonl.gz, *.jsonl.zst, each with an X.jsonl.meta.json if it has one), config.json,
           models/<hero>/ (tokenizer.json, hero.yaml), queue/ and history/ (for twins and lineage),
           control/orders/queue-watcher/ (move, retry, remove: see quest_orders)
WRITES     .staging/, queue/{high,normal,low}/ and queue/failed/ (new quests, and what orders ask of others),
           status/queue-watcher.json, status/data_lineage.json, events/queue-watcher.jsonl,
           history/queue-watcher.jsonl (refused drops), control/orders/queue-watcher/done/ (answers);
           removes from inbox/ what became a quest, its sidecar, and folders that this left empty
SIGNALS    TERM, INT: drops what is half copied and ends; a second one: the end at once. Either way the drop stays
STATES     starting, idle, working (a drop is copied and checked), waiting (problems says for what), stopping, ended
LOG LINES  ready, admit, refuse, order, wait (disk space or leave to write is missing: drops stay in the inbox,
           nothing is refused for it), config (config.json is invalid), status, and those of every daemon
RECOVERY   half-made quests in .staging/ are removed; a drop whose quest was published before a crash is only removed
"""

import contextlib
import hashlib
import math
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import msgspec

from realm.arena.intake.admission import Admission
from realm.arena.intake.gate import Gate
from realm.arena.intake.gatekeepers.hero import CurrentMeasure
from realm.arena.intake.hints import Hints
from realm.arena.intake.inbox import Inbox, Look
from realm.arena.intake.register import Register
from realm.arena.pruning import prune_ended
from realm.arena.quest_orders import QuestOrders
from realm.core.config import Config, Gatekeepers
from realm.core.control import Control
from realm.core.current_config import CurrentConfig
from realm.core.daemon import Frame
from realm.core.history import DamagedHistory
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home
from realm.core.quests import PRIORITIES, STATES, QuestQueue
from realm.core.status import QueueWatcherStatus, write_status

NAME = "queue-watcher"
INTERVAL = 5.0  # seconds between status documents when nothing happens
STALE_SECONDS = 0.1  # a look is worked through for so long; then a more urgent drop may have come
LOOK_GAP = 0.05  # seconds between two looks, however many hints there are
SHOWN_PROBLEMS = 20
PRUNE_SECONDS = 60.0  # between two looks for refused drops beyond the settings' limits


class QueueWatcher:
    """The work loop: look, let in, rest."""

    def __init__(self, home: Home, frame: Frame):
        """Recovers from files alone. Raises DamagedHistory, OSError."""
        self.home = home
        self.frame = frame
        self.queue = QuestQueue(home)
        self.config = CurrentConfig(home.config_file)
        self.measure = CurrentMeasure(home)
        self.wake = threading.Event()
        self.register = Register(home, NAME, frame.log)
        admission = Admission(home, self._gatekeepers, lambda: self.measure.value)
        admission.recover()
        self.gate = Gate(
            admission,
            self.register,
            on_tick=lambda: frame.tick("step"),
            is_stopping=frame.stopping.is_set,
            on_copied=self.wake.set,
        )
        self.orders = QuestOrders(NAME, Control(home), self.queue, frame.log)
        self.hints = Hints(self.wake)
        self.inbox = Inbox(home.inbox, on_folder=self.hints.watch)
        self.seen = Look()
        self.looked_at = 0.0
        self.problems: list[str] = []
        self.prune_due = time.monotonic()
        self.has_ended = False

    def run(self, show: "Show") -> None:
        show.watcher = self
        self.frame.ready("watches the inbox")
        self.register.events.emit("daemon.started", "the queue-watcher watches the inbox")
        while not self.frame.stopping.is_set():
            self.frame.tick("step")
            self._look()
            obeyed_all = self.orders.obey()
            is_through = self._work_through(self.seen) and obeyed_all
            self._sum_up()
            if is_through:
                show.news()
                self._rest()
        self.gate.close()
        self.has_ended = True
        if not math.isinf(self.register.lineage_due):
            self.register.write_lineage()
        self.register.events.emit("daemon.ended", "the queue-watcher ended as it was told")

    @property
    def state(self) -> str:
        if self.has_ended:
            return "ended"
        if self.frame.stopping.is_set():
            return "stopping"
        if self.config.value is None or self.gate.shortages:
            return "waiting"
        return "working" if self.gate.is_working else "idle"

    def _look(self) -> None:
        self.looked_at = time.monotonic()
        with contextlib.suppress(FileNotFoundError, PermissionError):
            self.hints.watch(self.home.root)  # for config.json
            self.hints.watch(self.home.orders / NAME)
        earlier = self.config.value
        if self.config.look():
            self._tell_of_config(earlier)
        if self.config.value:
            self.measure.look(self.config.value)
        self.seen = self.inbox.look()

    def _work_through(self, look: Look) -> bool:
        """False if the look has got stale before its end."""
        self.gate.land()
        stale_at = time.monotonic() + max(STALE_SECONDS, look.seconds)
        for drop in look.finished if self.config.value else []:
            if self.frame.stopping.is_set() or time.monotonic() > stale_at:
                return False
            self.gate.let_in(drop)
        return True

    def _sum_up(self) -> None:
        self.gate.forget_all_but(self.seen.finished)
        others = (self.config.problem, self.measure.problem, self.hints.problem, self.orders.problem)
        self.problems = [
            *dict.fromkeys(self.gate.problems),
            *(problem for problem in others if problem),
            *self.register.problems,
            *self.seen.problems,
        ]
        if time.monotonic() >= self.register.lineage_due:
            self.register.write_lineage()
        if self.config.value and time.monotonic() >= self.prune_due:
            self._prune(self.config.value)

    def _prune(self, config: Config) -> None:
        """Refused drops only: what was claimed is the trainer's."""
        self.prune_due = time.monotonic() + PRUNE_SECONDS
        if names := prune_ended(self.queue, "failed", config.retention, oldest_seal=0):
            self.frame.log("prune", folder="failed", quests=len(names))

    def _rest(self) -> None:
        rescan = self.looked_at + self.hints.rescan_seconds
        due = min(self.seen.due, rescan, self.register.lineage_due, self.gate.due)
        self.frame.wait(max(0.0, due - time.monotonic()), self.wake)
        self.frame.wait(max(0.0, self.looked_at + max(LOOK_GAP, self.seen.seconds) - time.monotonic()))
        self.wake.clear()  # what it hinted at, the next look sees

    def _gatekeepers(self) -> Gatekeepers:
        assert self.config.value is not None  # nothing is admitted before
        return self.config.value.gatekeepers

    def _tell_of_config(self, earlier: Config | None) -> None:
        value, problem = self.config.value, self.config.problem
        if value:
            self.frame.config_hash = hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:12]
        if problem:
            self.frame.log("config", problem=problem)
            self.register.events.emit("config.refused", problem)
        elif earlier and earlier != value:
            self.register.events.emit("config.changed", "other settings are in force")


class Show:
    """Writes the status: in the heartbeat's thread, and in the work loop when something happened."""

    def __init__(self, home: Home):
        self.home = home
        self.watcher: QueueWatcher | None = None  # None while it recovers
        self._queue = QuestQueue(home)
        self._news: object = None
        self._problem: str | None = None

    def news(self) -> None:
        """Only if there are any: the heartbeat shows the rest."""
        watcher = self.watcher
        assert watcher is not None
        seen, gate = watcher.seen, watcher.gate
        news = (watcher.state, watcher.problems, seen.drops, seen.unfinished, gate.last_admitted, gate.last_refused)
        if news != self._news:
            self._news = news
            self.write(watcher.frame)

    def write(self, frame: Frame) -> None:
        watcher = self.watcher
        document = QueueWatcherStatus(
            **frame.header(watcher.state if watcher else "starting", _cut(watcher.problems) if watcher else []),
            queues=self._queues(),
            inbox_files=watcher.seen.drops if watcher else None,
            inbox_being_written=watcher.seen.unfinished if watcher else None,
            last_admitted=watcher.gate.last_admitted if watcher else None,
            last_refused=watcher.gate.last_refused if watcher else None,
            disk_free_bytes=_free_bytes(self.home.root),
        )
        frame.status(_sentence(document))
        problem = write_status(self.home.status, document)
        if problem and problem != self._problem:
            frame.log("status", problem=problem)
        self._problem = problem

    def _queues(self) -> dict[str, int]:
        """Empty if a folder of the queue cannot be read."""
        try:
            return {state: len(self._queue.names(state)) for state in STATES}
        except OSError:
            return {}


def _sentence(now: QueueWatcherStatus) -> str:
    """For `systemctl status`."""
    waiting = sum(now.queues.get(priority, 0) for priority in PRIORITIES)
    parts = [f"{now.state}, {now.inbox_files or 0:,} in the inbox, {waiting:,} waiting"]
    return "; ".join([*parts, *now.problems[:1]])


def _cut(problems: list[str]) -> list[str]:
    more = len(problems) - SHOWN_PROBLEMS
    return problems[:SHOWN_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def main(home: Path) -> None:
    """Raises SystemExit: with a sentence if the home is not one, with 75 if another queue-watcher runs there."""
    realm = Home(home)
    try:
        realm.check_whole()
    except HomeError as error:
        raise SystemExit(str(error)) from None
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # see leases.writers_of
    show = Show(realm)
    with Frame(NAME, realm.locks, interval_s=INTERVAL, on_heartbeat=show.write) as frame:
        frame.tick("load")
        realm.sweep()
        try:
            watcher = QueueWatcher(realm, frame)
        except DamagedHistory as error:
            frame.log("cannot-start", reason=error)
            raise SystemExit(os.EX_CONFIG) from None
        watcher.run(show)
        show.write(frame)


if __name__ == "__main__":
    main(chosen_home())
