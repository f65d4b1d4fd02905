"""Files that only grow, read as they grow: each line is looked at once, however often one asks."""

import os
from abc import ABC, abstractmethod
from pathlib import Path

from realm.core.jsonl import whole_size


class Growing(ABC):
    """Something that follows from the lines of one file that is never rotated; none while there is no such file."""

    def __init__(self, path: Path):
        self.path = path
        self.begin()

    def begin(self) -> None:
        """Before the first line, and again when a person has mended the file: forgets everything."""
        self.lines = 0  # that were taken
        self._inode, self._offset = 0, 0

    @abstractmethod
    def take(self, line: bytes, number: int) -> None:
        """One whole line, numbered from 1. What it raises is raised again by each look until the file is mended."""

    def look(self) -> None:
        """Takes what was appended. Raises OSError, and what `take` raises."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            self.begin()
            return
        with file:
            inode = os.fstat(file.fileno()).st_ino
            file.seek(max(0, self._offset - 1))
            goes_on = inode == self._inode and (self._offset == 0 or file.read(1) == b"\n")
            if not goes_on:
                self.begin()
                self._inode = inode
            end = whole_size(file)
            file.seek(self._offset)
            while self._offset < end:
                line = file.readline()
                self.take(line, self.lines + 1)
                self._offset += len(line)
                self.lines += 1
