"""Log lines for the journal and the terminal: one per event, `event=claim quest=… step=…`, on stderr.

Under systemd each line begins with its priority, which the journal takes off; elsewhere with the time and the daemon.
"""

import os
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6  # syslog's numbers


class Line(NamedTuple):
    priority: int
    meaning: str


LOG_LINES = {
    "start": Line(INFO, "the process holds its instance lock and begins"),
    "refused": Line(ERROR, "another instance holds the lock; this one ends with status 75"),
    "cannot-start": Line(ERROR, "a file that a person must mend; the daemon ends with status 78"),
    "incident": Line(ERROR, "something is damaged; what could be saved was, and the line says what to look at"),
    "back-off": Line(WARNING, "the last starts ended uncleanly: waits before it begins"),
    "starts": Line(WARNING, "the count of unclean ends cannot be read or written; counting goes on from zero"),
    "ready": Line(INFO, "recovered and loaded; systemd is told READY=1"),
    "stop": Line(NOTICE, "a first SIGTERM or SIGINT: ends at the next safe point"),
    "stop-now": Line(WARNING, "a second signal: ends at once; the next start recovers"),
    "hung": Line(ERROR, "the work loop has not ticked within its phase's limit: WATCHDOG=1 is withheld"),
    "ticking": Line(NOTICE, "the work loop ticks again"),
    "crash": Line(ERROR, "an exception nobody caught: the traceback follows, the process ends with status 70"),
    "end": Line(INFO, "a clean end"),
    "status": Line(WARNING, "a status document could not be written"),
    "config": Line(WARNING, "config.json is invalid; the last good one goes on"),
    "validation": Line(WARNING, "data/validation/own.jsonl cannot be used; no validation until it is mended"),
    "admit": Line(INFO, "a drop became a quest"),
    "refuse": Line(NOTICE, "a drop was turned away"),
    "claim": Line(INFO, "a quest's first step is about to be trained"),
    "complete": Line(INFO, "a quest is trained and sealed"),
    "skip": Line(NOTICE, "a person skipped a quest, or was refused"),
    "fail": Line(WARNING, "a quest ended early"),
    "lost": Line(WARNING, "a claimed quest's folder is nowhere to be found"),
    "drop": Line(WARNING, "a step's loss or gradient was not a number: not applied"),
    "pause": Line(NOTICE, "training holds still"),
    "resume": Line(NOTICE, "training goes on"),
    "replay": Line(INFO, "journalled steps after the newest seal are trained again"),
    "seal": Line(INFO, "everything trained so far is durable"),
    "checkpoint": Line(INFO, "a checkpoint appeared"),
    "order": Line(NOTICE, "a person's order about a quest was obeyed, or refused"),
    "prune": Line(INFO, "ended quests beyond the limits of the settings left the disk; history keeps a line of each"),
    "exam": Line(INFO, "a checkpoint was examined and graded"),
    "not-evaluated": Line(WARNING, "an exam could not be sat; nobody is graded for it"),
    "level": Line(NOTICE, "a skill's level is mastered"),
    "revert": Line(NOTICE, "a person took a mastered level back"),
    "dispatch": Line(INFO, "a batch of the curriculum was dropped into inbox/low"),
    "model": Line(NOTICE, "the oracle loaded or unloaded a model"),
    "not-loaded": Line(WARNING, "the oracle could not load a model"),
    "wait": Line(WARNING, "a resource is short; work waits for it"),
    "rebuild": Line(NOTICE, "the pyramid of the metrics is built from the first row on; reason says why"),
    "http": Line(WARNING, "a connection failed, or its request broke the server; the others are served on"),
}


class UnknownLine(ValueError):
    """A log line whose event LOG_LINES does not name."""


class Log:
    """Writes one daemon's lines. A line that cannot be written is lost: logging never stops work."""

    def __init__(self, daemon: str):
        self._daemon = daemon
        self._to_journal = _stderr_is_the_journal()

    def __call__(self, event: str, **fields: object) -> None:
        """One line; fields that are None are left out. Raises UnknownLine."""
        if event not in LOG_LINES:
            raise UnknownLine(f"log line {event!r} is unknown: name its priority and meaning in LOG_LINES, {__file__}")
        pairs = {"event": event, **fields}
        text = " ".join(f"{name}={_quoted(str(value))}" for name, value in pairs.items() if value is not None)
        self._write([text], LOG_LINES[event].priority)

    def crash(self, error: BaseException, **fields: object) -> None:
        """The line `crash`, then the traceback, indented."""
        self("crash", error=f"{type(error).__name__}: {error}", **fields)
        text = "".join(traceback.format_exception(error))
        self._write([f"  {_escaped(line)}" for line in text.splitlines()], LOG_LINES["crash"].priority)

    def _write(self, lines: list[str], priority: int) -> None:
        prefix = f"<{priority}>" if self._to_journal else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {self._daemon} "
        content = "".join(f"{prefix}{line}\n" for line in lines).encode()
        with suppress(OSError):  # one write(2): lines of several threads do not mix
            os.write(2, content)


def _quoted(value: str) -> str:
    """logfmt: as it is if it is one plain word, otherwise in quotes."""
    escaped = _escaped(value.replace("\\", "\\\\"))
    if escaped and not any(sign in ' ="\\' for sign in escaped):
        return escaped
    return '"' + escaped.replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    """Without control characters, line separators, direction marks and stray bytes: a name cannot forge a line."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _stderr_is_the_journal() -> bool:
    """$JOURNAL_STREAM names the journal's socket; a child's stderr may have been sent elsewhere since."""
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"
