"""Which step is being tried, in 64 bytes that outlive a kill: what kills the process three times is dropped."""

import os
from pathlib import Path

from realm.arena.battle.stream import Cursor

SIZE = 64  # bytes; written in one call, so never torn by a kill
DEATHS_ALLOWED = 2  # the third one at the same pack drops it

Pack = tuple[int, int, int]  # claim, window, step within the window


class Attempt:
    """Not synced: it survives the death of the process, which is what it counts. A power cut is nobody's fault."""

    def __init__(self, file: Path):
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        trying, suspect, deaths = _parsed(os.pread(self._file, SIZE, 0))
        self._suspect = trying or suspect
        self._deaths = (deaths + 1 if trying == suspect else 1) if trying else deaths

    def is_poison(self, cursor: Cursor) -> bool:
        """Whether the step at the cursor has killed the process too often."""
        return _pack(cursor) == self._suspect and self._deaths > DEATHS_ALLOWED

    def begin(self, cursor: Cursor) -> None:
        self._write(_pack(cursor))

    def survived(self, cursor: Cursor) -> None:
        """The step at the cursor was trained or dropped."""
        if _pack(cursor) == self._suspect:
            self._suspect, self._deaths = None, 0
        self._write(None)

    def _write(self, trying: Pack | None) -> None:
        text = f"{_words(trying)} {_words(self._suspect)} {self._deaths}\n".encode()
        os.pwrite(self._file, text.ljust(SIZE), 0)


def _pack(cursor: Cursor) -> Pack:
    return cursor.claim, cursor.window, cursor.step


def _words(pack: Pack | None) -> str:
    return " ".join(map(str, pack or (0, 0, 0)))


def _parsed(content: bytes) -> tuple[Pack | None, Pack | None, int]:
    try:
        numbers = [int(word) for word in content.split()]
        trying, suspect, deaths = tuple(numbers[:3]), tuple(numbers[3:6]), numbers[6]
    except (ValueError, IndexError):
        return None, None, 0
    return _real(trying), _real(suspect), deaths


def _real(pack: tuple[int, ...]) -> Pack | None:
    """Claims are numbered from 1: a zero stands for none."""
    return (pack[0], pack[1], pack[2]) if pack[0] else None
