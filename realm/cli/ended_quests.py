"""What the trainer's history tells, counted as it grows: a line is looked at once, and only the newest are read."""

import os
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from realm.core.history import DamagedHistory, read_history
from realm.core.jsonl import whole_size

# As the trainer writes them. Inside a text the quotes would be escaped, so these bytes are a field and nothing else.
OUTCOME, COMPLETED = b'"outcome":"', b'"outcome":"completed"'
RECENT = timedelta(days=2)  # longer than any day


class _Line(Struct):
    """What is read of a recent line."""

    ended_at: datetime


class EndedQuests:
    """Counts of history/trainer.jsonl; all of them zero while there is no such file."""

    def __init__(self, folder: Path):
        self._path = folder / "trainer.jsonl"
        self._forget()

    def look(self, now: datetime) -> None:
        """Counts what was appended. Raises DamagedHistory, OSError."""
        block = self._appended()
        try:
            if block.count(OUTCOME) != block.count(b"\n"):
                raise ValueError("a line is no ended quest")
            new = list(_newest_first(block, now - RECENT))
        except ValueError as error:  # msgspec's errors are such, too
            list(read_history(self._path))  # raises, naming the line
            raise DamagedHistory(f"{self._path}: {error}") from None
        self.completed += block.count(COMPLETED)
        self._recent.extend(reversed(new))
        self._offset += len(block)

    def today(self, now: datetime) -> int:
        """How many ended since midnight of the clock on the wall, with any outcome."""
        midnight = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        while self._recent and self._recent[0] < now - RECENT:
            self._recent.popleft()
        return sum(ended_at >= midnight for ended_at in self._recent)

    def _appended(self) -> bytes:
        """Whole lines behind those counted; all of them if a person has mended the file since."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                file.seek(max(0, self._offset - 1))
                is_behind_a_line = self._offset == 0 or file.read(1) == b"\n"
                if found.st_ino != self._inode or not is_behind_a_line:
                    self._forget(found.st_ino)
                end = whole_size(file)
                file.seek(self._offset)
                return file.read(max(0, end - self._offset))
        except FileNotFoundError:
            self._forget()
            return b""

    def _forget(self, inode: int = 0) -> None:
        self.completed = 0
        self._recent: deque[datetime] = deque()
        self._inode, self._offset = inode, 0


def _newest_first(block: bytes, since: datetime) -> Iterator[datetime]:
    """When each of the lines ended, back to the first that ended before `since`. Raises ValueError."""
    end = len(block)
    while end > 0:
        start = block.rfind(b"\n", 0, end - 1) + 1
        ended_at = msgspec.json.decode(block[start:end], type=_Line).ended_at
        if ended_at < since:
            return
        yield ended_at
        end = start
