"""Events: what happened, for people. One file per daemon, written by it alone, rotated, never truth for anything."""

import hashlib
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson
from msgspec import Struct

from realm.core.json_safe import json_safe
from realm.core.jsonl import Position, append_rotating, last_lines, lines_after, rotated

ROTATE_BYTES = 8 * 1024 * 1024
KEEP_ROTATED = 4


class Kind(NamedTuple):
    icon: str
    meaning: str


KINDS = {
    "quest.admitted": Kind("📥", "a drop became a quest and waits in the queue"),
    "quest.refused": Kind("🚫", "a drop was turned away; the reason says how to mend it"),
    "quest.claimed": Kind("⚔️", "the trainer took a quest: its first step is about to be trained"),
    "quest.completed": Kind("✅", "every step of a quest is trained and sealed"),
    "quest.skipped": Kind("⏭️", "a person skipped a quest; what was trained of it stays"),
    "skip.refused": Kind("🙅", "a skip was not obeyed: the quest had ended, and a damaged seal has it trained again"),
    "quest.failed": Kind("💀", "a quest ended early; its error.json says why"),
    "quest.lost": Kind("👻", "a claimed quest's folder is nowhere to be found"),
    "quest.returned": Kind("↩️", "a claimed quest was moved by hand and has been brought back"),
    "battle.paused": Kind("⏸️", "training holds still, the model stays in memory"),
    "battle.resumed": Kind("▶️", "training goes on"),
    "battle.stopped": Kind("⏹️", "training stopped and released the accelerator"),
    "step.dropped": Kind("💥", "a step's loss or gradient was not a number: it was not applied"),
    "loss.spike": Kind("⚡", "the loss rose far above its own average"),
    "seal.written": Kind("🔏", "everything trained so far survives a power cut"),
    "seal.late": Kind("⌛", "no seal can be written; training goes on unsealed for a while"),
    "checkpoint.saved": Kind("💾", "a checkpoint appeared"),
    "hero.level": Kind("⬆️", "another thousand steps"),
    "skill.level": Kind("🎓", "a skill's next level is unlocked"),
    "skill.regressed": Kind("📉", "a mastered level's latest exam fell below the threshold"),
    "skill.reverted": Kind("⏪", "a person took a mastered level back"),
    "exam.graded": Kind("📝", "a checkpoint was examined"),
    "exam.not_evaluated": Kind("❔", "an exam could not be sat; nobody is graded for it"),
    "curriculum.dispatched": Kind("📚", "the scheduler dropped a batch into inbox/low"),
    "champion.crowned": Kind("🏆", "a checkpoint is the best so far"),
    "vault.stored": Kind("🏰", "an asset has another verified copy"),
    "vault.deleted": Kind("🪦", "an asset was deleted; other verified copies exist"),
    "oracle.loaded": Kind("🔮", "the Oracle answers from another checkpoint"),
    "incident.opened": Kind("🚨", "something needs a person, or a hold"),
    "incident.resolved": Kind("🩹", "an incident is over"),
    "config.changed": Kind("⚙️", "other settings are in force"),
    "config.refused": Kind("🧱", "config.json is invalid: the last good one goes on"),
    "resource.short": Kind("🪫", "disk, accelerator or host is short: work waits"),
    "resource.back": Kind("🔋", "what was short is there again"),
    "daemon.started": Kind("🌅", "a daemon is ready"),
    "daemon.ended": Kind("🌙", "a daemon ended as it was told"),
}


class UnknownKind(ValueError):
    """An event of a kind that KINDS does not name."""


class Event(Struct, frozen=True, kw_only=True):
    """One line of an events file. Claim and step are null where the event belongs to none."""

    id: str
    at: datetime
    daemon: str
    kind: str
    text: str
    claim: int | str | None = None
    step: int | None = None
    data: dict[str, Any] = {}


class EventLog:
    """Writes one daemon's events. Any of its threads may emit.

    An event's id is a hash of what it is about, not of when: a replay after a crash emits the same ids, and ids that
    the newest two files hold are not written again. Another campaign's step 1000 is another event.
    """

    def __init__(self, folder: Path, daemon: str, *, campaign: str = "", rotate_bytes: int = ROTATE_BYTES):
        """Cheap: reads at most two files. Raises OSError."""
        self.failed_writes = 0  # events that a full disk swallowed
        self._path = folder / f"{daemon}.jsonl"
        self._daemon = daemon
        self._campaign = campaign
        self._rotate_bytes = rotate_bytes
        self._lock = threading.Lock()
        self._ids = _ids_in([self._path])
        self._older_ids = _ids_in(rotated(self._path)[-1:])

    def emit(
        self,
        kind: str,
        text: str,
        *,
        claim: int | str | None = None,
        step: int | None = None,
        key: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> bool:
        """Records that something happened; False if it was recorded before, or cannot be (then it is counted).

        `key` tells apart events of the same kind, claim and step. Without any of the three the event is one of a
        kind, as no replay repeats it. Raises UnknownKind, and TypeError if `data` does not fit JSON.
        """
        if kind not in KINDS:
            raise UnknownKind(f"event kind {kind!r} is unknown: name its icon and meaning in KINDS, {__file__}")
        at = datetime.now(UTC)
        about = [claim, step, key] if (claim, step, key) != (None, None, None) else [at]
        identity = _hash([self._daemon, self._campaign, kind, *about])
        event = Event(
            id=identity, at=at, daemon=self._daemon, kind=kind, text=text, claim=claim, step=step, data=data or {}
        )
        with self._lock:
            return self._write(event)

    def _write(self, event: Event) -> bool:
        if event.id in self._ids or event.id in self._older_ids:
            return False
        fields, lost = json_safe(msgspec.to_builtins(event))
        if lost:
            fields["data"]["problems"] = lost
        line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
        try:
            if append_rotating(self._path, line, rotate_bytes=self._rotate_bytes, keep=KEEP_ROTATED):
                self._older_ids, self._ids = self._ids, set()
        except OSError:
            self.failed_writes += 1
            return False
        self._ids.add(event.id)
        return True


def tail(paths: Iterable[Path], count: int) -> list[Event]:
    """The newest `count` events of several daemons, oldest of them first."""
    events = [event for path in paths for event in _events(last_lines(path, count))]
    return sorted(events, key=lambda event: event.at)[-count:] if count > 0 else []


def events_after(path: Path, position: Position | None = None) -> tuple[list[Event], Position]:
    """What was recorded behind `position` (None: all that is kept), across rotations, and where to go on."""
    lines, position = lines_after(path, position)
    return _events(lines), position


def _events(lines: Iterable[bytes]) -> list[Event]:
    """Leaves out lines that are no events: after a power cut the end of a file may be garbage."""
    events = []
    for line in lines:
        try:
            events.append(msgspec.json.decode(line, type=Event))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return events


def _ids_in(files: Iterable[Path]) -> set[str]:
    return {event.id for file in files if file.exists() for event in _events(file.read_bytes().split(b"\n"))}


def _hash(about: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(json_safe(about)[0])).hexdigest()[:16]
