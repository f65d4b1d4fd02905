"""What the trainer's history tells, counted as it grows: a line is read once."""

from collections import Counter
from datetime import date
from pathlib import Path

import msgspec

from realm.core.history import EndedQuest, read_history
from realm.core.jsonl import Position, lines_after


class EndedQuests:
    """Counts of history/trainer.jsonl; all of them zero while there is no such file."""

    def __init__(self, folder: Path):
        self.completed = 0
        self.by_day: Counter[date] = Counter()  # with any outcome; days of the local clock
        self._path = folder / "trainer.jsonl"
        self._position = Position(0, 0)

    def look(self) -> None:
        """Counts what was appended. Raises DamagedHistory, OSError."""
        lines, position = lines_after(self._path, self._position)
        read = sum(len(line) + 1 for line in lines)
        if position != (self._position.inode, self._position.offset + read):  # a person has mended the file
            self.completed = 0
            self.by_day.clear()
            lines, position = lines_after(self._path)
        try:
            quests = [msgspec.json.decode(line, type=EndedQuest) for line in lines]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            list(read_history(self._path))  # raises, naming the line
            return
        self.completed += sum(quest.outcome == "completed" for quest in quests)
        self.by_day.update(quest.ended_at.astimezone().date() for quest in quests)
        self._position = position
