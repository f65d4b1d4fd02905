"""What a daemon tells systemd, where there is one; elsewhere nothing happens."""

import os

from sdnotify import SystemdNotifier


class Systemd:
    """Messages to the socket in $NOTIFY_SOCKET."""

    def __init__(self) -> None:
        self._notifier = SystemdNotifier()

    def ready(self, text: str) -> None:
        self._send("READY=1")
        self.status(text)

    def status(self, text: str) -> None:
        self._send(f"STATUS={' '.join(text.split())}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """While starting or stopping: do not give up within so many seconds from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def _send(self, message: str) -> None:
        # sdnotify encodes Latin-1 and drops, silently, what does not fit; systemd wants UTF-8
        self._notifier.notify(message.encode("utf-8", "replace").decode("latin-1"))


def check_interval(interval_s: float) -> None:
    """Raises ValueError if heartbeats so far apart would let the unit's watchdog bite."""
    if interval_s <= 0:
        raise ValueError(f"a heartbeat every {interval_s} s is impossible: give seconds above 0")
    watchdog_s = int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6
    if watchdog_s and interval_s > watchdog_s / 2:
        raise ValueError(
            f"a heartbeat every {interval_s} s is too rare for WatchdogSec={watchdog_s:g}: "
            "at most half of it; raise WatchdogSec in the unit"
        )
