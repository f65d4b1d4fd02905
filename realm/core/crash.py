"""No thread dies silently: an exception that nobody catches ends the whole process, and the next start recovers."""

import os
import sys
import threading
from collections.abc import Callable

from realm.core.log import Log

EXIT_STATUS = os.EX_SOFTWARE  # 70


def end_process_on_crash(log: Log) -> Callable[[], None]:
    """Covers every thread, finalizers and callbacks; returns the function that undoes it."""
    earlier = sys.excepthook, sys.unraisablehook, threading.excepthook

    def crash(error: BaseException | None, where: str) -> None:
        try:
            log.crash(error or RuntimeError("unknown"), thread=where)
        finally:
            os._exit(EXIT_STATUS)

    def undo() -> None:
        sys.excepthook, sys.unraisablehook, threading.excepthook = earlier

    sys.excepthook = lambda kind, error, trace: crash(error, "main")
    sys.unraisablehook = lambda raised: crash(raised.exc_value, threading.current_thread().name)
    threading.excepthook = lambda raised: crash(raised.exc_value, raised.thread.name if raised.thread else "unknown")
    return undo
