"""The gate: lets finished drops in, and comes back to those that have to wait.

A small drop is copied at once, a bulky one in a thread beside, so that small ones pass it. All else is done by the
work loop alone.
"""

import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from realm.arena.intake.admission import Admission, Outcome
from realm.arena.intake.copying import SHORTAGES, DropChanged, DropUnreadable, Pulse, Shortage
from realm.arena.intake.inbox import Drop, Identity
from realm.arena.intake.register import Register
from realm.core.status import Admitted, Refused

LONGEST_PAUSE = 30.0  # seconds between two tries during a shortage; the first pause is 1 s, each next one twice as long
ASIDE_SECONDS = 30.0  # between two tries to read, or to remove, one obstinate drop


class Stopped(Exception):
    """The daemon was told to end while a drop was being copied."""


@dataclass
class Lane:
    """The way of the small drops, or of the bulky: what it lacks, and when it is tried again."""

    shortage: str | None = None
    due: float = 0.0  # monotonic
    tries: int = 0

    def wait(self, reason: str) -> None:
        self.shortage = reason
        self.due = time.monotonic() + min(LONGEST_PAUSE, 2.0**self.tries)
        self.tries += 1

    def flow(self) -> None:
        self.shortage, self.due, self.tries = None, 0.0, 0


@dataclass(frozen=True)
class Aside:
    """A drop that lies there and cannot be read, or is a quest already and cannot be removed."""

    identity: Identity
    problem: str
    due: float  # monotonic; it is left alone before


class Gate:
    def __init__(
        self,
        admission: Admission,
        register: Register,
        *,
        on_tick: Pulse,
        is_stopping: Callable[[], bool],
        on_copied: Pulse,
    ):
        """`on_tick`: the work loop copies; `on_copied`: a bulky drop is copied, call `land` (in another thread)."""
        self.last_admitted: Admitted | None = None
        self.last_refused: Refused | None = None
        self._admission = admission
        self._register = register
        self._on_tick = on_tick
        self._is_stopping = is_stopping
        self._on_copied = on_copied
        self._small, self._bulk = Lane(), Lane()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bulk")
        self._copying: tuple[Drop, Future[Outcome]] | None = None  # the bulky drop that the worker has
        self._is_busy = False
        self._aside: dict[Path, Aside] = {}
        self._published: dict[Identity, Outcome] = {}  # drops that are quests already and are still there

    # What the work loop asks

    @property
    def is_working(self) -> bool:
        return self._is_busy or self._copying is not None

    @property
    def shortages(self) -> list[str]:
        return [lane.shortage for lane in (self._small, self._bulk) if lane.shortage]

    @property
    def problems(self) -> list[str]:
        waits = [f"drops wait in the inbox: {shortage}" for shortage in self.shortages]
        return [*waits, *(aside.problem for aside in self._aside.values())]

    @property
    def due(self) -> float:
        """When something that waits is to be tried again (monotonic)."""
        moments = [*(lane.due for lane in (self._small, self._bulk)), *(aside.due for aside in self._aside.values())]
        return min((moment for moment in moments if moment > time.monotonic()), default=math.inf)

    # What it does

    def let_in(self, drop: Drop) -> None:
        """Unless it has to wait."""
        now, lane, aside = time.monotonic(), self._lane_of(drop), self._aside_of(drop)
        if now < lane.due or (aside and now < aside.due) or (lane is self._bulk and self._copying):
            return
        if lane is self._bulk and drop.identity not in self._published:
            copying = self._worker.submit(self._admission.admit, drop, self._check_stop)
            self._copying = drop, copying
            copying.add_done_callback(lambda done: self._on_copied())
            return
        self._is_busy = True
        self._take(lane, drop, lambda: self._admission.admit(drop, self._pulse))
        self._is_busy = False

    def land(self) -> None:
        """Ends what the worker began, if it is copied."""
        if self._copying and self._copying[1].done():
            (drop, copying), self._copying = self._copying, None
            self._take(self._bulk, drop, copying.result)

    def forget_all_but(self, finished: Iterable[Drop]) -> None:
        """What does not lie there any more is no problem any more."""
        lanes = [self._lane_of(drop) for drop in finished]
        for lane in (self._small, self._bulk):
            if not any(lane is used for used in lanes):
                lane.flow()
        self._aside = {drop.path: aside for drop in finished if (aside := self._aside_of(drop))}

    def close(self) -> None:
        """Waits for the worker, which gives up a drop that is half copied."""
        self._worker.shutdown()
        self.land()

    # One drop

    def _take(self, lane: Lane, drop: Drop, admit: Callable[[], Outcome]) -> None:
        """Whatever step fails, the next try goes on with it."""
        try:
            if drop.identity not in self._published:
                self._published[drop.identity] = admit()
            self._enter(drop, self._published[drop.identity])
            self._discard(drop)
        except (DropChanged, Stopped):
            return
        except DropUnreadable as error:
            self._set_aside(drop, f"{drop.shown} cannot be read: {error}")
        except Shortage as error:
            if not lane.shortage:
                self._register.note_shortage(str(error))
            lane.wait(str(error))
        else:
            if lane.shortage:
                self._register.note_its_end()
            lane.flow()

    def _enter(self, drop: Drop, outcome: Outcome) -> None:
        """Raises Shortage if it cannot be written down."""
        try:
            self._register.enter(outcome, drop.shown)
        except OSError as error:
            if error.errno not in SHORTAGES:
                raise
            raise Shortage.of(error) from error
        now = datetime.now(UTC)
        if outcome.refusal:
            self.last_refused = Refused(name=drop.shown, at=now, reason=outcome.refusal.reason)
        else:
            self.last_admitted = Admitted(quest=outcome.quest, at=now, bytes=outcome.meta.bytes)

    def _discard(self, drop: Drop) -> None:
        """The sidecar first: should a kill come between, the drop is still known by what it is."""
        try:
            if drop.may_be_removed:  # also after a chmod: it would be taken for a twin of itself
                if drop.sidecar and drop.sidecar.is_unchanged:
                    drop.sidecar.path.unlink(missing_ok=True)
                drop.path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._set_aside(drop, f"{drop.shown} is a quest now and cannot be removed: {error.strerror}; remove it")
        if not drop.is_unchanged:  # gone; or somebody wrote to it again, and the next look takes it for another
            del self._published[drop.identity]

    def _lane_of(self, drop: Drop) -> Lane:
        return self._bulk if drop.is_bulk else self._small

    def _aside_of(self, drop: Drop) -> Aside | None:
        aside = self._aside.get(drop.path)
        return aside if aside and aside.identity == drop.identity else None

    def _set_aside(self, drop: Drop, problem: str) -> None:
        self._aside[drop.path] = Aside(drop.identity, problem, time.monotonic() + ASIDE_SECONDS)

    def _pulse(self) -> None:
        self._on_tick()
        self._check_stop()

    def _check_stop(self) -> None:
        if self._is_stopping():
            raise Stopped
