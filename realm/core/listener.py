"""A server whose port another program may have: its daemon goes on without it, and asks for the port again."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from realm.core.loopback import LoopbackServer, PortTaken

BETWEEN = 10.0  # seconds between two tries


class Listener(ExitStack):
    """Leaving it ends the server."""

    def __init__(self, make: Callable[[], LoopbackServer]):
        super().__init__()
        self._make = make
        self._due = 0.0  # monotonic
        self.is_listening = False
        self.problem: str | None = None  # why not

    def look(self) -> None:
        """Tries, if it is time to."""
        if self.is_listening or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + BETWEEN
        try:
            self.enter_context(self._make())
        except PortTaken as error:
            self.problem = str(error)
        else:
            self.is_listening, self.problem = True, None
