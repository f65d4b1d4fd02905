"""One instance of each daemon: a lock file held for the process's life. The kernel frees it, whatever way that ends."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

EXIT_STATUS = os.EX_TEMPFAIL  # 75
PATIENCE_SECONDS = 1.0  # a reader's probe (status.is_locked) holds the lock for microseconds


class AlreadyRunning(RuntimeError):
    """Another process holds the lock; the text names it."""


class InstanceLock:
    """`<folder>/<daemon>.lock`, never deleted. What stands in it is for people; the lock alone decides."""

    def __init__(self, daemon: str, folder: Path):
        self._daemon = daemon
        self._path = folder / f"{daemon}.lock"
        self._lock = FileLock(
            self._path,
            mode=0o644,  # whoever asks whether it is held must be able to open it
            thread_local=False,
            preserve_lock_file=True,
            fallback_to_soft=False,
            on_acquired=self._sign,
        )

    def acquire(self) -> None:
        """Raises AlreadyRunning; FileNotFoundError if the folder is missing; OSError where flock does not work."""
        if not self._path.parent.is_dir():  # filelock would make it, and a home in the wrong place with it
            raise FileNotFoundError(f"{self._path.parent} is no folder: name the home, or make it with `realm init`")
        try:
            self._lock.acquire(timeout=PATIENCE_SECONDS)
        except Timeout:
            holder = self._path.read_text(errors="replace").strip() or "a process that has not signed it yet"
            raise AlreadyRunning(
                f"{self._daemon} runs already: {self._path} is held by {holder}; stop that one first"
            ) from None

    def release(self) -> None:
        self._lock.release()

    def _sign(self, descriptor: int) -> None:
        os.ftruncate(descriptor, 0)
        with suppress(OSError):  # a full disk must not keep a daemon from starting
            os.pwrite(descriptor, f"pid {os.getpid()}, started {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode(), 0)
