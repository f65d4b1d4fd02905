"""Writes down what became of drops: history, events, lineage, log. Every entry may be made again after a crash."""

import math
import threading
import time
from datetime import UTC, datetime

from realm.arena.intake import lineage
from realm.arena.intake.admission import Outcome
from realm.core.events import EventLog
from realm.core.history import EndedQuest, History
from realm.core.log import Log
from realm.core.paths import Home

LINEAGE_SECONDS = 5.0  # between two writes of status/data_lineage.json


class Register:
    """Several threads may enter outcomes."""

    def __init__(self, home: Home, daemon: str, log: Log):
        """Reads what was written before. Raises DamagedHistory, OSError."""
        self.events = EventLog(home.events, daemon)
        self._history = History(home.history, daemon)
        self._lineage, self.problems = lineage.rebuild(home)
        self._home = home
        self._log = log
        self._entering = threading.Lock()
        self.lineage_due = 0.0  # monotonic; infinite while nothing is new

    def enter(self, outcome: Outcome, shown: str) -> None:
        """`shown`: the drop's path below the inbox. Raises OSError if it cannot be written down durably."""
        with self._entering:
            if outcome.refusal:
                self._history.append(_history_line(outcome))
            errors = outcome.refusal.counts if outcome.refusal else {}
            examined = lineage.Examined.of_meta(outcome.meta, refused=outcome.refusal is not None, errors=errors)
            if self._lineage.count(examined) and math.isinf(self.lineage_due):
                self.lineage_due = time.monotonic() + LINEAGE_SECONDS
            self._tell(outcome, shown)

    def note_shortage(self, reason: str) -> None:
        self._log("wait", reason=reason)
        self.events.emit("resource.short", f"drops wait in the inbox: {reason}")

    def note_its_end(self) -> None:
        self.events.emit("resource.back", "drops become quests again")

    def write_lineage(self) -> None:
        """Never raises for a full disk: it is tried again."""
        with self._entering:
            try:
                self._lineage.write(self._home.status)
                self.lineage_due = math.inf
            except OSError as error:
                self.lineage_due = time.monotonic() + LINEAGE_SECONDS
                self._log("status", problem=error)

    def _tell(self, outcome: Outcome, shown: str) -> None:
        meta, refusal = outcome.meta, outcome.refusal
        data = {"quest": outcome.quest, "drop": shown, "generator_id": meta.generator_id, "bytes": meta.bytes}
        if refusal:
            text = f"{shown} was turned away: {refusal.reason}"
            new = self.events.emit("quest.refused", text, key=outcome.quest, data=data)
            fields = {"reason": refusal.reason}
        else:
            text = "; ".join([f"{shown} waits, {meta.lines:,} lines", *meta.warnings])
            new = self.events.emit(
                "quest.admitted", text, key=outcome.quest, data={**data, "lines": meta.lines, "warnings": meta.warnings}
            )
            fields = {"lines": str(meta.lines)}
        if new:
            self._log("refuse" if refusal else "admit", quest=outcome.quest, drop=shown, bytes=meta.bytes, **fields)


def _history_line(outcome: Outcome) -> EndedQuest:
    meta, refusal = outcome.meta, outcome.refusal
    return EndedQuest(
        claim=None,
        quest=outcome.quest,
        outcome="refused",
        ended_at=datetime.now(UTC),
        priority=meta.priority,
        sha256=meta.sha256,
        bytes=meta.bytes,
        reason=refusal.reason if refusal else None,
        data=lineage.history_data(meta, refusal.counts if refusal else {}),
    )
