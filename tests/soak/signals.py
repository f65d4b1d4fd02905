"""TERM, HUP and INT, also in a shell's background, end the soak at a moment when it can tidy up."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def end_by_signals() -> None:
    """From now on they raise SystemExit; HUP not under nohup."""
    for number in NUMBERS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


@contextmanager
def deferred() -> Iterator[None]:
    """One that comes in the block has its effect behind it."""
    came: list[int] = []
    earlier = {number: signal.signal(number, lambda came_now, frame: came.append(came_now)) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        if came:
            os.kill(os.getpid(), came[0])


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
