"""oracle: the daemon that answers from any checkpoint.

NAME      realm run oracle
READS     current_model/checkpoint-*/, models/, champion.json, config.json (oracle, device, model_name),
          control/orders/oracle/ (load, unload), secrets/oracle-*.key
WRITES    status/oracle.json, events/oracle.jsonl; its two keys in secrets/ beyond loopback
SIGNALS   TERM, INT: what is being answered is broken off; a second one: the end at once
STATES    starting, idle, working (it loads or answers), waiting (problems says for what), stopping, ended
LOG LINES ready, model, not-loaded, order, wait, http, status, and those of every daemon
RECOVERY  nothing to recover: models are loaded again when they are asked
PORT      8765 on loopback, or as config.json says: see realm/oracle/oracle_api.py and realm/oracle/forwarding.py
BUGS      models answer in threads of this process, so that a row costs no copying between processes; what breaks
          torch itself ends the daemon, and systemd starts it again
"""

from pathlib import Path

import msgspec

from realm.core.address import url_of
from realm.core.config import Config, ConfigError, load_config
from realm.core.control import Control, Order
from realm.core.daemon import Frame
from realm.core.events import EventLog
from realm.core.listener import Listener
from realm.core.loopback import LoopbackServer
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home
from realm.core.status import OracleStatus, write_status
from realm.oracle.backends import Embedded, Upstream
from realm.oracle.guard import Guard
from realm.oracle.pool import CannotLoad
from realm.oracle.question import Busy
from realm.oracle.shelf import DamagedModel, UnknownModel

NAME = "oracle"
CANNOT_START = 78  # sysexits.h EX_CONFIG
INTERVAL = 5.0  # seconds between status documents
POLL = 1.0  # seconds between two looks for orders
THREADS = 96  # one for each answer that is being sent, as many as the engine lets wait, and some for looks


class Ordered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of both orders."""

    model: str


class Oracle:
    """Keeps the port, obeys orders and shows who answers."""

    def __init__(self, home: Home, frame: Frame, config: Config):
        """Raises OSError where keys are needed and cannot be kept, ValueError for a host that is none."""
        self.home, self.frame, self.config, self.settings = home, frame, config, config.oracle
        self.events = EventLog(home.events, NAME)
        self.control = Control(home)
        self.backend = self._backend(Guard(home, self.settings))
        self.listener = Listener(self._server)
        self.state = "starting"
        self.unwritten = ""  # why the status could not be written

    def _backend(self, guard: Guard) -> Embedded | Upstream:
        if self.settings.backend == "openai":
            assert self.settings.upstream
            return Upstream(self.home, self.settings.upstream, guard.check)
        return Embedded(self.home, self.config, guard.check, self._told)

    def run(self) -> None:
        self.frame.ready("answers when it is asked")
        self.events.emit("daemon.started", "the oracle answers when it is asked")
        with self.listener:
            while not self.frame.stopping.is_set():
                self.frame.tick("step")
                self._listen()
                while order := self.control.next_order(NAME):
                    self._obey(order)
                self.frame.wait(POLL)
            self.state = "stopping"
            self.backend.end()
        self.state = "ended"
        self.events.emit("daemon.ended", "the oracle ended as it was told")
        self.show(self.frame)

    def _listen(self) -> None:
        before, was_listening = self.problems, self.listener.is_listening
        self.listener.look()
        self.backend.look()
        if new := [problem for problem in self.problems if problem not in before]:
            self.frame.log("wait", reason="; ".join(new))
        self.state = "waiting" if self.problems else "idle"
        if self.listener.is_listening and not was_listening:
            self.show(self.frame)  # who looks for us finds us by our status

    @property
    def problems(self) -> list[str]:
        return [problem for problem in (self.listener.problem, self.backend.problem) if problem]

    def _server(self) -> LoopbackServer:
        settings, log = self.settings, self.frame.log
        return LoopbackServer(self.backend.app, settings.port, log, address=settings.host, threads=THREADS)

    def _obey(self, order: Order) -> None:
        act = {"load": self.backend.load, "unload": self.backend.unload}.get(order.action)
        if act is None:
            self.control.refuse(order, f"{order.action!r} is unknown: the oracle knows load and unload")
            return
        try:
            model = act(msgspec.convert(order.arguments, Ordered).model)
        except (msgspec.ValidationError, UnknownModel, DamagedModel, CannotLoad, Busy, OSError) as error:
            self.control.refuse(order, str(error))
            return
        self.frame.log("order", action=order.action, model=model)
        self.control.answer(order, {"model": model})

    def _told(self, what: str, text: str) -> None:
        """By the pool, in whichever thread."""
        if what == "failed":
            self.frame.log("not-loaded", reason=text)
            return
        self.frame.log("model", name=text, now=what)
        self.show(self.frame)
        if what == "loaded":
            self.events.emit("oracle.loaded", f"the Oracle answers from {text}", key=text)

    def show(self, frame: Frame) -> None:
        """In the heartbeat's thread, too."""
        document = OracleStatus(
            **frame.header("working" if self.state == "idle" and self.backend.is_busy else self.state, self.problems),
            url=url_of(self.settings) if self.listener.is_listening and self.state != "ended" else None,
            **self.backend.status(),
        )
        frame.status("; ".join(self.problems) or f"{document.state}, {len(document.models)} models in memory")
        if (unwritten := write_status(self.home.status, document)) and unwritten != self.unwritten:
            frame.log("status", problem=unwritten)
            self.unwritten = unwritten


def main(home: Path) -> None:
    """Raises SystemExit: with a sentence if the home is not one, 75 if another oracle runs, 78 for settings."""
    realm_home = Home(home)
    try:
        realm_home.check_whole()
    except HomeError as error:
        raise SystemExit(str(error)) from None
    oracle: Oracle | None = None

    def show(frame: Frame) -> None:
        if oracle:
            oracle.show(frame)

    with Frame(NAME, realm_home.locks, interval_s=INTERVAL, on_heartbeat=show) as frame:
        frame.tick("load")
        realm_home.sweep()
        try:
            oracle = Oracle(realm_home, frame, load_config(realm_home.config_file))
        except (ConfigError, OSError, ValueError) as error:
            frame.log("cannot-start", reason=error)
            raise SystemExit(CANNOT_START) from None
        oracle.run()


if __name__ == "__main__":
    main(chosen_home())
