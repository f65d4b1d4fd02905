"""The terminal's other screen, drawn over in place, with keys read one by one.

However the block is left, by an error or a signal as well, the terminal is what it was before.
"""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the other screen, no cursor, no wrapping of long lines
LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
BEGIN, END = "\x1b[?2026h\x1b[H", "\x1b[J\x1b[?2026l"  # terminals that know how show all between the two at once
NEXT_LINE = "\x1b[K\r\n"
ESCAPE = "\x1b"


class Screen:
    """What `full_screen` gives."""

    def __init__(self, keyboard: int, terminal: int, signals: int):
        self._keyboard = keyboard
        self._terminal = terminal
        self._signals = signals  # readable once a signal came

    @property
    def size(self) -> os.terminal_size:
        return os.get_terminal_size(self._terminal)

    def draw(self, lines: Sequence[str]) -> None:
        """Replaces what is shown, in one write. Lines are narrower than the screen, and no more than it has."""
        self.write(f"{BEGIN}{NEXT_LINE.join(lines)}\x1b[K{END}")

    def keys(self, seconds: float) -> str:
        """What is typed within that time; "" if nothing is, or as soon as the screen has another size."""
        ready, _, _ = select.select([self._keyboard, self._signals], [], [], seconds)
        if self._signals in ready:
            os.read(self._signals, 1024)
        if self._keyboard not in ready:
            return ""
        typed = os.read(self._keyboard, 1024)
        if not typed:
            raise EOFError("the terminal is gone")
        text = typed.decode("ascii", "ignore")
        return text[:1] if text.startswith(ESCAPE) else text  # an arrow or a function key is none of its letters

    def write(self, text: str) -> None:
        rest = memoryview(text.encode(sys.stdout.encoding, "replace"))
        while rest:
            rest = rest[os.write(self._terminal, rest) :]


@contextmanager
def full_screen() -> Iterator[Screen]:
    """For standard input and output that are a terminal. SIGTERM and SIGHUP become SystemExit, Ctrl-Z works."""
    keyboard, terminal = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(keyboard)
    signals, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    screen = Screen(keyboard, terminal, signals)

    def enter() -> None:
        tty.setcbreak(keyboard)
        screen.write(ENTER)

    def leave() -> None:
        screen.write(LEAVE)
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)

    def suspend(number: int, frame: FrameType | None) -> None:
        leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        enter()  # the shell has sent SIGCONT

    handlers = {
        signal.SIGWINCH: lambda number, frame: None,  # its number in the pipe ends the waiting for keys
        signal.SIGTSTP: suspend,
        signal.SIGTERM: _end,
        signal.SIGHUP: _end,
    }
    old = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    old_pipe = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    try:
        enter()
        yield screen
    finally:
        old[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not stop us here
        leave()
        signal.set_wakeup_fd(old_pipe)
        for number, handler in old.items():
            signal.signal(number, handler)
        os.close(signals)
        os.close(woken)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
