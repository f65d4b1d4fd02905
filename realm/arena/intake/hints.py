"""inotify as a hint: something happened in a folder, have a look. What it was, only the look tells."""

import threading
from pathlib import Path

from inotify_simple import INotify, flags

RESCAN_SECONDS = 30.0  # without any hint: network file systems send none
POLL_SECONDS = 5.0  # where there is no inotify

_EVENTS = flags.CREATE | flags.MOVED_TO | flags.CLOSE_WRITE | flags.DELETE


class Hints:
    """Sets `wake` whenever something happens in a watched folder; an overflow of the kernel's queue counts, too."""

    def __init__(self, wake: threading.Event):
        self._wake = wake
        self.problem: str | None = None  # why there are no hints, or not all
        try:
            self._inotify: INotify | None = INotify()
        except OSError as error:
            self._inotify = None
            self._give_up(error)
            return
        threading.Thread(target=self._listen, args=(self._inotify,), name="hints", daemon=True).start()

    @property
    def rescan_seconds(self) -> float:
        return POLL_SECONDS if self.problem else RESCAN_SECONDS

    def watch(self, folder: Path) -> None:
        """Again is harmless. Raises FileNotFoundError, and PermissionError for a folder that may not be read."""
        if self._inotify is None:
            return
        try:
            self._inotify.add_watch(folder, _EVENTS)
        except (FileNotFoundError, PermissionError):  # of this folder; there are hints for the others
            raise
        except OSError as error:
            self._give_up(error)

    def _listen(self, inotify: INotify) -> None:
        while True:
            inotify.read()
            self._wake.set()

    def _give_up(self, error: OSError) -> None:
        self.problem = f"no inotify ({error.strerror}): looks into the inbox every {POLL_SECONDS:g} s instead"
