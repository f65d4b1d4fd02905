"""The frame every daemon runs in: one instance, a heartbeat, a clean end, and no silent death. Its use:

    with Frame("trainer", locks_folder, interval_s=5, on_heartbeat=write_my_status) as frame:
        load(frame)                           # frame.tick("load") as it goes
        frame.ready("waits for quests")
        while not frame.stopping.is_set():
            frame.tick("step")
            …
            frame.wait(30, wake=something_arrived)

Told to stop, the loop brings its work to a durable end and leaves the block; that end is clean.
"""

import errno
import faulthandler
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from realm import __version__
from realm.core.crash import end_process_on_crash
from realm.core.heartbeat import Heartbeat
from realm.core.instance import EXIT_STATUS, AlreadyRunning, InstanceLock
from realm.core.log import Log
from realm.core.signals import StopSignals
from realm.core.starts import GOOD_LIFE_SECONDS, Starts
from realm.core.status import PHASE_LIMITS, Status, Writer
from realm.core.systemd import Systemd, check_interval

NO_LEAVE = (errno.EACCES, errno.EPERM)
READ_ONLY_SECONDS = 2.0  # between two looks whether the home may be written
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Frame:
    """One daemon's process. Enter it in the main thread; `tick` and `wait` belong to the work loop alone.

    Other threads wait on `stopping`. An exception that no thread catches ends the process with status 70.
    """

    def __init__(
        self,
        name: str,
        locks_folder: Path,
        *,
        interval_s: float,
        on_heartbeat: Callable[["Frame"], None] = lambda frame: None,
        phase_limits: Mapping[str, float] = PHASE_LIMITS,
    ):
        """`interval_s`: seconds between calls of `on_heartbeat`. Raises ValueError for a bad name or interval."""
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a daemon: lower-case words joined by hyphens can")
        check_interval(interval_s)
        self.name = name
        self.stopping = threading.Event()
        self.config_hash = ""  # the work loop sets it to the hash of what it runs with
        self.log = Log(name)
        self._locks = locks_folder
        self._interval_s = interval_s
        self._on_heartbeat = on_heartbeat
        self._longest_wait = phase_limits["waiting"] / 4
        self._systemd = Systemd()
        self._heartbeat = Heartbeat(interval_s, phase_limits, self._beat)
        self._signals = StopSignals(self._stop, lambda number: self.log("stop-now", signal=number.name))
        self._started_at = datetime.now(UTC)
        self._good_at = time.monotonic() + GOOD_LIFE_SECONDS
        self._wake = self.stopping  # what the work loop waits for
        self._is_ready = False
        self._was_hung = False

    def __enter__(self) -> Self:
        """Takes the lock, then waits out the back-off.

        Raises SystemExit(75) if another instance holds the lock, SystemExit(78) if the lock may not be written.
        """
        self._lock = InstanceLock(self.name, self._locks)
        try:
            self._acquire()
        except AlreadyRunning as error:
            self.log("refused", reason=error)
            raise SystemExit(EXIT_STATUS) from None
        except OSError as error:
            if error.errno not in NO_LEAVE:
                raise
            mend = "start the daemon as the user whom the realm's home belongs to"
            self.log("cannot-start", reason=f"{error.filename}: {error.strerror}; {mend}")
            raise SystemExit(os.EX_CONFIG) from None
        self._starts = Starts(self.name, self._locks)
        faulthandler.enable()  # a segmentation fault and the watchdog's SIGABRT leave stacks in the log
        self._undo_hooks = end_process_on_crash(self.log)
        self._signals.install()
        self._heartbeat.start()
        self._back_off()
        self.log("start", pid=os.getpid(), version=__version__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A clean end, unless an exception or a failing SystemExit is on its way out: that is counted as unclean."""
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self._end(self._starts.ended)

    def ready(self, text: str) -> None:
        """Recovered and loaded: systemd counts the daemon as started and shows `text`."""
        self._is_ready = True
        self._systemd.ready(text)
        self.log("ready", text=text)

    def status(self, text: str) -> None:
        """The sentence in `systemctl status`."""
        self._systemd.status(text)

    def tick(self, phase: str) -> None:
        """The work loop is alive and begins, or goes on with, `phase`. Raises ValueError for an unknown phase."""
        self._heartbeat.tick(phase)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> bool:
        """Waits until `wake` is set, the daemon is told to stop, or time is over; ticks meanwhile.

        Returns False if time was over. `wake` is cleared: what sets it from now on ends the next wait.
        """
        end = time.monotonic() + seconds
        self._wake = wake = wake or self.stopping
        while not self.stopping.is_set():
            self.tick("waiting")
            if wake.wait(max(0.0, min(self._longest_wait, end - time.monotonic()))):
                break
            if time.monotonic() >= end:
                return False
        if wake is not self.stopping:
            wake.clear()
        return True

    def header(self, state: str, problems: list[str] | None = None) -> dict[str, Any]:
        """The fields every status document begins with: `TrainingStatus(**frame.header("working"), step=…)`."""
        tick = self._heartbeat.last
        writer = Writer(
            daemon=self.name,
            pid=os.getpid(),
            boot_id=boot_id(),
            started_at=self._started_at,
            version=__version__,
            config_hash=self.config_hash,
        )
        header = Status(
            writer=writer,
            heartbeat_at=datetime.now(UTC),
            interval_s=self._interval_s,
            seq=tick.seq,
            ticked_at=tick.at,
            phase=tick.phase,
            phase_limit_s=self._heartbeat.limit_of(tick),
            state=state,
            problems=problems or [],
        )
        return msgspec.structs.asdict(header)

    def _acquire(self) -> None:
        """A home that is mounted read-only is waited for: the kernel may have done that, and a person mends it."""
        is_told = False
        while True:
            try:
                return self._lock.acquire()
            except OSError as error:
                if error.errno != errno.EROFS:
                    raise
                if not is_told:
                    self.log("wait", reason=f"{error.filename}: {error.strerror}; mount it for writing")
                is_told = True
                time.sleep(READ_ONLY_SECONDS)  # signals end the process: they are not ours yet

    def _back_off(self) -> None:
        """Raises SystemExit(0), and leaves the count as it is, if told to stop meanwhile."""
        if delay := self._starts.delay_seconds:
            ends = self._starts.unclean_ends
            self.log("back-off", seconds=delay, unclean_ends=ends)
            self.status(f"backs off {delay} s after {ends} unclean ends in a row")
            if self.wait(delay):
                self._end()
                raise SystemExit(0)
            self.tick("load")
        self._starts.began()
        if self._starts.problem:
            self.log("starts", problem=self._starts.problem)

    def _beat(self, hung: bool) -> None:
        """In the heartbeat thread."""
        if hung != self._was_hung:
            self._was_hung = hung
            self.log("hung" if hung else "ticking", phase=self._heartbeat.last.phase, seq=self._heartbeat.last.seq)
            if hung:
                faulthandler.dump_traceback()
        if not hung:
            self._vouch()
        if time.monotonic() >= self._good_at:
            self._good_at = float("inf")
            self._starts.lived_long()
        self._on_heartbeat(self)

    def _vouch(self) -> None:
        self._systemd.watchdog()
        if self.stopping.is_set() or not self._is_ready:  # then systemd has a time limit, which a load or seal exceeds
            self._systemd.extend_timeout(max(30.0, 3 * self._interval_s))

    def _stop(self, number: signal.Signals) -> None:
        """In the signals thread."""
        self.log("stop", signal=number.name)
        self.stopping.set()
        self._wake.set()
        self._systemd.stopping()

    def _end(self, count: Callable[[], None] = lambda: None) -> None:
        self._systemd.stopping()
        self._heartbeat.stop()
        count()
        self._signals.uninstall()
        self._undo_hooks()
        self.log("end")
        self._lock.release()


def boot_id() -> str:
    """Differs after every boot of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
