"""tavern: the daemon that serves the pages and what they read.

NAME      realm run tavern
READS     www/ as it ships; of the home what pages show
WRITES    status/tavern.json, events/tavern.jsonl, history/tavern.jsonl; for people: inbox/, control/, config.json,
          curriculum_change.json, champion.json, history/votes.jsonl; secrets/ beyond loopback
SIGNALS   TERM, INT: what is being answered is answered; a second one: the end at once
STATES    starting, idle, waiting (problems says for what), stopping, ended
LOG LINES ready, wait, http, status, and those of every daemon
RECOVERY  nothing to recover: every answer is read from files
PORT      8888 on loopback, or as config.json says: see realm/tavern/app.py
"""

import math
import time
from pathlib import Path

from realm.core.config import ConfigError, Tavern, load_config
from realm.core.daemon import Frame
from realm.core.events import EventLog
from realm.core.history import DamagedHistory
from realm.core.listener import Listener
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home
from realm.core.status import TavernStatus, write_status
from realm.tavern.address import url_of
from realm.tavern.app import tavern_app
from realm.tavern.deed_book import BookKeeper
from realm.tavern.guard import Guard
from realm.tavern.pages import shipped_www

NAME = "tavern"
INTERVAL = 5.0  # seconds between status documents
POLL = 1.0
BOOKED = 60.0  # seconds between looks for deeds that only events show
THREADS = 96  # a pulse takes milliseconds; who takes a big file slowly holds one
BODIES = 32  # of these, at most, for what is sent here: that takes as long as its sender does


class Keeper:
    """Keeps the pages served."""

    def __init__(self, home: Home, frame: Frame, where: Tavern):
        """Raises OSError without pages, or where a token cannot be kept; ValueError for a host that is none."""
        self.home, self.frame, self.where = home, frame, where
        self.events = EventLog(home.events, NAME)
        self.app = tavern_app(home, shipped_www(), Guard(home, where))
        self.state = "starting"
        self.url: str | None = None
        self.listener = Listener(self._server)
        self.unwritten = ""  # why the status could not be written
        self.book, self.booked_at = BookKeeper(home), -math.inf

    def run(self) -> None:
        with self.listener:
            while not self.frame.stopping.is_set():
                self.frame.tick("step")
                if not self.listener.is_listening:
                    self._open()
                if time.monotonic() - self.booked_at > BOOKED:
                    self._keep_book()
                self.frame.wait(POLL)
            self.state = "stopping"
        self.state = "ended"
        self.events.emit("daemon.ended", "the tavern ended as it was told")
        self.show(self.frame)

    def _open(self) -> None:
        before = self.listener.problem
        self.listener.look()
        if self.listener.is_listening:
            self.state, self.url = "idle", url_of(self.where)
            self.frame.ready(f"the tavern is open: {self.url}")
            self.events.emit("daemon.started", f"the tavern is open: {self.url}")
        elif self.listener.problem != before:
            self.state = "waiting"
            self.frame.log("wait", reason=self.listener.problem)

    def _keep_book(self) -> None:
        self.booked_at = time.monotonic()
        try:
            self.book.keep()
        except (OSError, DamagedHistory) as error:
            self._cannot_write(str(error))

    def _cannot_write(self, problem: str) -> None:
        """Is told once, not each time."""
        if problem != self.unwritten:
            self.frame.log("status", problem=problem)
            self.unwritten = problem

    def _server(self) -> LoopbackServer:
        where, log = self.where, self.frame.log
        return LoopbackServer(
            self.app, where.port, log, address=where.host, threads=THREADS, bodies=BODIES, longest_body=0
        )

    def show(self, frame: Frame) -> None:
        """In the heartbeat's thread, too."""
        problem = self.listener.problem
        document = TavernStatus(**frame.header(self.state, [problem] if problem else []), url=self.url)
        frame.status(problem or f"open: {self.url}")
        if unwritten := write_status(self.home.status, document):
            self._cannot_write(unwritten)


def main(home: Path) -> None:
    """Raises SystemExit: with a sentence if the home is not one, 75 if another tavern runs, 78 for settings."""
    realm_home = Home(home)
    try:
        realm_home.check_whole()
    except HomeError as error:
        raise SystemExit(str(error)) from None
    keeper: Keeper | None = None

    def show(frame: Frame) -> None:
        if keeper:
            keeper.show(frame)

    with Frame(NAME, realm_home.locks, interval_s=INTERVAL, on_heartbeat=show) as frame:
        frame.tick("load")
        realm_home.sweep()
        try:
            keeper = Keeper(realm_home, frame, load_config(realm_home.config_file).tavern)
        except (ConfigError, OSError, ValueError) as error:
            frame.log("cannot-start", reason=error)
            raise SystemExit(78) from None
        keeper.run()


if __name__ == "__main__":
    main(chosen_home())
