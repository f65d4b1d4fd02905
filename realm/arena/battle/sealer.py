"""Writes seals behind the step loop's back: one in flight, at the settings' cadence, never into a full disk."""

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from realm.arena.battle.journal import Journal
from realm.arena.battle.learner import Snapshot
from realm.arena.battle.seal import KEPT, Seal, retain, sweep, write_seal
from realm.core.config import Seals

SPACE_FACTOR = 1.1  # a seal begins only with so many times its size free
RETRY_SECONDS = 10.0  # until what failed on a full disk is tried again
GIB = 2**30
DAY = 86_400.0  # seconds


class SealReport(Struct, frozen=True, kw_only=True):
    """What one seal cost."""

    seal: Seal
    snapshot: Snapshot
    seconds: float


@dataclass
class _Flight:
    thread: threading.Thread
    report: SealReport | None = None
    error: OSError | None = None


class Sealer:
    """The seals of one campaign. All calls come from the work loop's thread."""

    def __init__(self, folder: Path, settings: Seals, last_number: int, before: Callable[[], None] = lambda: None):
        """`before` runs in the writer's thread ahead of each seal."""
        self._before = before
        self._folder = folder
        self._settings = settings
        self._number = last_number
        self._flight: _Flight | None = None
        self._last_size = 0  # bytes
        self._pause = settings.first_minutes * 60  # seconds from one seal to the next
        self._due_at = time.monotonic() + self._pause
        self.sealed_at = self._unsealed_since = time.monotonic()
        self.problem: str | None = None

    def adopt(self, settings: Seals) -> None:
        """The next seal is due at the new interval after the last, if that is sooner."""
        self._settings = settings
        self._due_at = min(self._due_at, time.monotonic() + self._interval(self._last_size))

    @property
    def busy(self) -> bool:
        return self._flight is not None

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._due_at

    @property
    def unsealed_minutes(self) -> float:
        return (time.monotonic() - self._unsealed_since) / 60

    def nothing_to_seal(self) -> None:
        """The newest seal holds everything as of now."""
        self._unsealed_since = time.monotonic()
        if not self.problem:
            self._due_at = self._unsealed_since + self._pause

    @property
    def is_affordable(self) -> bool:
        """One more seal that no person asked for keeps to the day's budget."""
        return time.monotonic() >= self.sealed_at + self._budget_seconds(self._last_size)

    @property
    def budget(self) -> int:
        """Bytes that seals may write in a day."""
        return round(self._settings.gb_per_day * GIB)

    def _interval(self, size: int) -> float:
        """Seconds between seals of so many bytes."""
        return max(self._settings.minutes * 60, self._budget_seconds(size))

    def _budget_seconds(self, size: int) -> float:
        """Seconds in which the budget grows by so many bytes."""
        return size / self.budget * DAY

    def start(self, snapshot: Snapshot, then: Callable[[SealReport], None] = lambda report: None) -> bool:
        """Begins to write; False (with `problem` set) if the disk is too full. `then` runs in the writer's thread."""
        if shortage := self.shortage(snapshot.size):
            self.problem = f"a seal {shortage}"
            self._due_at = time.monotonic() + RETRY_SECONDS
            return False
        self._number += 1
        flight = _Flight(threading.Thread(target=lambda: self._write(flight, snapshot, then), name="sealer"))
        self._flight = flight
        flight.thread.start()
        return True

    def shortage(self, size: int) -> str | None:
        """What is wrong with beginning to write so many bytes now."""
        free = shutil.disk_usage(self._folder).free
        needed = SPACE_FACTOR * size
        return f"needs {needed:,.0f} bytes, {free:,} are free in {self._folder}" if free < needed else None

    def finished(self, *, wait: bool = False) -> SealReport | None:
        """The seal that has become durable since the last call, if any."""
        flight = self._flight
        if flight is None or (flight.thread.is_alive() and not wait):
            return None
        flight.thread.join()
        self._flight = None
        if flight.error:
            self.problem = f"seal not written: {flight.error}"
            self._due_at = time.monotonic() + RETRY_SECONDS
            return None
        return self._landed(flight.report)

    def forget_covered(self, journal: Journal) -> int:
        """Keeps the newest two seals, and of the journal what the older of them still needs; returns its number.

        0 while there is only one: if that one is damaged, the journal alone tells what was trained.
        """
        kept = retain(self._folder)
        journal.begin_segment()
        if len(kept) < KEPT:
            return 0
        journal.forget(kept[0].journal_seq)
        return kept[0].number

    def _landed(self, report: SealReport | None) -> SealReport | None:
        if report:
            self.problem = None
            self.sealed_at = self._unsealed_since = time.monotonic()
            self._last_size = report.seal.size
            self._pause = self._interval(self._last_size)
            self._due_at = self.sealed_at + self._pause
        return report

    def _write(self, flight: _Flight, snapshot: Snapshot, then: Callable[[SealReport], None]) -> None:
        began = time.perf_counter()
        try:
            self._before()
            campaign = snapshot.state.campaign
            seal = write_seal(self._folder, campaign.step, self._number, campaign.journal_seq, snapshot.parts())
            flight.report = SealReport(seal=seal, snapshot=snapshot, seconds=time.perf_counter() - began)
            then(flight.report)
        except OSError as error:
            flight.error = error
            with suppress(OSError):  # the first error is the one to tell
                sweep(self._folder)  # a half-written seal must not keep the disk full
