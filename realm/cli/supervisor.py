"""The daemons as processes of one parent: started again when they end by themselves, and their words kept in logs/."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from logging.handlers import RotatingFileHandler
from typing import IO

from realm.core.log import LOG_LINES, WARNING
from realm.core.parent import end_with_parent
from realm.core.paths import Home

LOG_BYTES = 8 * 2**20
LOGS_KEPT = 4
EVENT = re.compile(r"\bevent=([a-z-]+)")
NO_USE = (os.EX_TEMPFAIL, os.EX_CONFIG)  # it would end the same way again: another one runs, or a file must be mended

Note = Callable[[str], None]


class Supervisor:
    """All calls come from the main thread."""

    def __init__(self, home: Home, daemons: Iterable[str], note: Note):
        self._home = home
        self._note = note
        self._children = {name: _Child(name, home, note) for name in daemons}
        self._ending = False
        self.failed: int | None = None  # the status of a daemon that cannot run

    @property
    def is_running(self) -> bool:
        return any(child.is_running for child in self._children.values()) or not (self._ending or self.failed)

    def start(self) -> None:
        for child in self._children.values():
            child.start()

    def look(self) -> None:
        """Starts again what ended by itself; ends all if one cannot run."""
        for child in self._children.values():
            status = child.ended()
            if status is None or self._ending:
                continue
            if status in NO_USE:
                self.failed = status
                self.end()
            else:
                self._note(f"{child.name} ended with status {status} and is started again; why: {child.log_file}")
                child.start()

    def end(self, *, at_once: bool = False) -> None:
        self._ending = True
        for child in self._children.values():
            child.send(signal.SIGKILL if at_once else signal.SIGTERM)


class _Child:
    def __init__(self, name: str, home: Home, note: Note):
        self.name = name
        self.log_file = home.logs / f"{name}.log"
        self._home = home
        self._note = note
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """In a session of its own, so that Ctrl-C reaches the parent alone; it ends when the parent does."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realm", "--home", str(self._home.root), "run", self.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), name=f"log of {self.name}")
        self._reader.start()

    def ended(self) -> int | None:
        """The status of a process that ended since the last look."""
        if self._process is None or self._process.poll() is None:
            return None
        status = self._process.returncode
        if self._reader:
            self._reader.join()
        self._process = self._reader = None
        return status

    def send(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def _read(self, words: IO[str]) -> None:
        """In a thread: every line to the log, warnings to the person."""
        log = RotatingFileHandler(self.log_file, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, delay=True)
        with words:
            for line in words:
                log.emit(logging.makeLogRecord({"msg": line.rstrip("\n")}))
                if _is_for_people(line):
                    self._note(line.strip())
        log.close()


def _is_for_people(line: str) -> bool:
    event = EVENT.search(line)
    return event is not None and event[1] in LOG_LINES and LOG_LINES[event[1]].priority <= WARNING


def _end_with_parent() -> None:
    """In the child, before it becomes the daemon: a killed parent must not leave daemons behind that nobody sees."""
    end_with_parent(signal.SIGTERM)
