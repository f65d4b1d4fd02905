"""A terminal with `realm` in it, as a person has it: keys, sizes, Ctrl-C, and what is on the screen."""

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click

from realm.cli.screen import BEGIN, END
from realm.core.paths import Home

# The terminal becomes the controlling one, so that Ctrl-C and changes of size arrive as signals.
REALM = (
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); {before}"
    "from realm.cli.main import main; main(prog_name='realm')"
)
DECODER = codecs.getincrementaldecoder("utf-8")  # a read may end inside a sign
DEADLINE = 60.0  # seconds that only a broken program takes


@dataclass
class LiveTerminal:
    """Our end of the terminal, and the process at the other."""

    ours: int
    theirs: int  # kept open, so that its settings can be read after the process has ended
    process: subprocess.Popen[bytes]
    written: str = ""
    decoder: codecs.IncrementalDecoder = field(default_factory=DECODER)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    @property
    def settings(self) -> list[Any]:
        return termios.tcgetattr(self.theirs)

    @property
    def frame(self) -> list[str]:
        """The lines of the newest whole frame, without colours."""
        whole, end, _ = self.written.rpartition(END)
        shown = click.unstyle(whole.rpartition(BEGIN)[2])
        return [line.rstrip("\r") for line in shown.split("\n")] if end else []

    def until(self, look: Callable[[], object]) -> None:
        """Reads what is written until `look` finds what it looks for."""
        deadline = time.monotonic() + DEADLINE
        while not look():
            assert time.monotonic() < deadline, "\n".join(self.frame) or self.written
            self._read(0.05)

    def shows(self, words: str) -> None:
        self.until(lambda: words in "\n".join(self.frame))

    def end(self) -> int:
        """What the process ends with; what it wrote last is read."""
        self.until(lambda: self.process.poll() is not None)
        while self._read(0.0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.ours], [], [], seconds)
        if ready:
            self.written += self.decoder.decode(os.read(self.ours, 65536))
        return bool(ready)


@contextmanager
def live(
    home: Home, *words: object, width: int = 80, height: int = 24, before: str = "", **environment: str
) -> Iterator[LiveTerminal]:
    """`realm` with these words; `before`: Python that runs first."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", REALM.format(before=before), *map(str, words)]
    known = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment = {**known, "REALM_HOME": str(home.root), "TERM": "xterm-256color", **environment}
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    try:
        yield LiveTerminal(ours, theirs, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(ours)
        os.close(theirs)


@contextmanager
def watching(
    home: Home, *words: object, width: int = 80, height: int = 24, before: str = "", **environment: str
) -> Iterator[LiveTerminal]:
    """`realm watch` with a first frame on the screen, unless `before`, Python that runs first, prevents it."""
    with live(home, "watch", *words, width=width, height=height, before=before, **environment) as terminal:
        if not before:
            terminal.until(lambda: terminal.frame)
        yield terminal
