"""The heartbeat: a thread that vouches for the work loop, and only while the loop ticks."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

JOIN_SECONDS = 10.0  # a status that hangs on a dead disk does not keep the process from ending


class Tick(NamedTuple):
    """A sign of life from the work loop."""

    seq: int
    phase: str
    at: datetime
    clock: float  # monotonic seconds


class Heartbeat:
    """Calls `on_beat(hung)` at once and then every `interval_s`. Hung: the last tick is older than its phase allows."""

    def __init__(self, interval_s: float, phase_limits: Mapping[str, float], on_beat: Callable[[bool], None]):
        self._interval_s = interval_s
        self._limits = phase_limits
        self._on_beat = on_beat
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.last = Tick(0, "load", datetime.now(UTC), time.monotonic())

    def tick(self, phase: str) -> None:
        """Raises ValueError for an unknown phase."""
        if phase not in self._limits:
            raise ValueError(f"phase {phase!r} is none of {', '.join(self._limits)}")
        self.last = Tick(self.last.seq + 1, phase, datetime.now(UTC), time.monotonic())

    def limit_of(self, tick: Tick) -> float:
        """Seconds that the phase of `tick` may last without another."""
        return self._limits[tick.phase]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._closing.set()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while not self._closing.is_set():
            tick = self.last
            self._on_beat(time.monotonic() - tick.clock > self.limit_of(tick))
            self._closing.wait(self._interval_s)
