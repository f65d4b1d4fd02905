"""The raw rows of metrics/trainer.jsonl and its rotated parts, oldest first, from where the last look ended.

Memory does not grow with the files: a block at a time. What was read is known again by its last bytes, so that a file
that was cut, replaced or restored from elsewhere is noticed.
"""

import os
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from msgspec import Struct

from realm.core.jsonl import rotated

BLOCK = 4 * 2**20  # bytes
TAIL = 512  # bytes


class RowsLost(Exception):
    """What was read lies no longer where it was; the text says what was found."""


class Place(Struct, frozen=True):
    """Where a reader stopped: behind a newline, in the file that has this inode."""

    inode: int
    offset: int
    tail: int  # CRC-32 of the bytes before, at most TAIL of them


class RowReader:
    def __init__(self, path: Path, place: Place | None = None):
        """None: from the oldest row on. Raises RowsLost, OSError."""
        self._path = path
        self._file, self._inode, self._offset, self._tail = -1, 0, 0, b""
        if place:
            self._go_on(place)

    @property
    def place(self) -> Place | None:
        return Place(self._inode, self._offset, crc32(self._tail)) if self._inode else None

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def read(self) -> list[bytes]:
        """The next whole lines; none if there are no more now. Raises RowsLost, OSError."""
        while True:
            current = _stat(self._path)  # before: what comes between the two looks is read
            was_rotated = current is None or current.st_ino != self._inode
            if lines := self._next_lines() if self._inode else []:
                return lines
            if self._inode and not was_rotated:
                return []
            if not self._open_next():
                return []

    def bytes_left(self) -> tuple[int, int]:
        """(in the files from here on, in all files)."""
        files = _files(self._path)
        begin = list(files).index(self._inode) if self._inode in files else 0
        sizes = [file.size for file in files.values()]
        return max(0, sum(sizes[begin:]) - self._offset), sum(sizes)

    def _go_on(self, place: Place) -> None:
        if found := _files(self._path).get(place.inode):
            self._open(found.path)
            size = min(TAIL, place.offset)
            self._offset, self._tail = place.offset, os.pread(self._file, size, place.offset - size)
            if self._inode == place.inode and len(self._tail) == size and crc32(self._tail) == place.tail:
                return
        self.close()
        raise RowsLost(f"{self._path} is not the file of which {place.offset:,} bytes were read")

    def _next_lines(self) -> list[bytes]:
        size = BLOCK
        while True:
            content = os.pread(self._file, len(self._tail) + size, self._offset - len(self._tail))
            if not content.startswith(self._tail):
                raise RowsLost(f"{self._path} was cut or changed before byte {self._offset:,}, which was read already")
            is_end = len(content) < len(self._tail) + size
            end = _whole(content, len(self._tail))
            if is_end or end > len(self._tail):
                break
            size *= 2  # a line longer than a block
        lines = content[len(self._tail) : end].split(b"\n")[:-1]
        self._offset += end - len(self._tail)
        self._tail = content[max(0, end - TAIL) : end]
        return lines

    def _open_next(self) -> bool:
        """The file after this one; False if there is none yet."""
        files = _files(self._path)
        if self._inode and self._inode not in files:
            raise RowsLost(f"{self._path}: the file that was being read is gone")
        behind = list(files)[list(files).index(self._inode) + 1 :] if self._inode else list(files)
        if not behind:
            return False
        self._open(files[behind[0]].path)
        if self._inode != behind[0]:
            raise RowsLost(f"{self._path} was rotated while it was being opened")
        return True

    def _open(self, path: Path) -> None:
        self.close()
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._inode, self._offset, self._tail = os.fstat(self._file).st_ino, 0, b""


def _whole(content: bytes, begin: int) -> int:
    """Behind the last whole line. A last line with NUL bytes is torn: the writer cuts it off, unless others follow."""
    end = max(begin, content.rfind(b"\n") + 1)
    while end > begin:
        last = max(begin, content.rfind(b"\n", begin, end - 1) + 1)
        if b"\0" not in content[last:end]:
            break
        end = last
    return end


class _File(NamedTuple):
    path: Path
    size: int


def _files(path: Path) -> dict[int, _File]:
    """Rotated ones and the current one by inode, oldest first."""
    current = _stat(path)  # first: if it is rotated meanwhile, it is among the rotated, under one inode
    older = [(file, _stat(file)) for file in rotated(path)] if path.parent.is_dir() else []
    found = {stat.st_ino: _File(file, stat.st_size) for file, stat in older if stat}
    if current and current.st_ino not in found:
        found[current.st_ino] = _File(path, current.st_size)
    return found


def _stat(path: Path) -> os.stat_result | None:
    """None if there is no such file, or no longer."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
