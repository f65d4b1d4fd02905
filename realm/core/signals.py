"""SIGTERM and SIGINT: the first asks for an end at the next safe point, the second ends the process at once."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Reads signals in a thread of their own, so that they are heard while the main thread is deep in other code.

    Python's C handler writes each signal's number to a socket at once; nothing runs inside a handler, where taking
    a lock could deadlock. Install it in the main thread.
    """

    def __init__(self, on_first: Callable[[signal.Signals], None], on_second: Callable[[signal.Signals], None]):
        self._on_first = on_first
        self._on_second = on_second
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)

    def install(self) -> None:
        self._earlier_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._earlier = {number: signal.signal(number, _noted) for number in STOP_SIGNALS}
        threading.Thread(target=self._watch, name="signals", daemon=True).start()

    def uninstall(self) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._earlier_fd)
        self._writer.close()

    def _watch(self) -> None:
        stopping = False
        while number := self._reader.recv(1):
            if number[0] not in STOP_SIGNALS:
                continue
            if stopping:
                self._on_second(signal.Signals(number[0]))
                os._exit(128 + number[0])
            stopping = True
            self._on_first(signal.Signals(number[0]))
        self._reader.close()


def _noted(number: int, frame: FrameType | None) -> None:
    """The signal is read from the socket."""
