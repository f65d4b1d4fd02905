"""The journal: every decision that the quests' bytes do not contain, durable before its effect.

current_model/journal/<first sequence number>.log holds lines `crc32 json`, preallocated with zeros so that a full
disk cannot block the next decision. A torn tail is cut at opening; a hole in the middle is refused. A new segment
begins with each seal, and segments that no kept seal needs are removed.
"""

import errno
import os
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from realm.core.files import fsync_directory

SEGMENT_BYTES = 256 * 1024  # about 600 decisions; a seal comes after 256 claims at the latest
SUFFIX = ".log"


class JournalHole(RuntimeError):
    """Lines are missing in the middle: what came after them cannot be trusted to be all."""


class Position(Struct, frozen=True):
    """A moment of the campaign: the optimizer step, and the claim's window and pack that come next."""

    step: int
    claim: int
    window: int
    pack: int


class Line(Struct, frozen=True, kw_only=True):
    """One decision. It takes effect when the campaign stands at `at`."""

    seq: int
    kind: str
    at: Position
    data: dict[str, Any] = {}


class Journal:
    """The open journal of one campaign. An empty folder begins with line `first`. Raises JournalHole, OSError."""

    def __init__(self, folder: Path, first: int = 1):
        self._folder = folder
        _remove_unborn(folder)
        self.lines: list[Line] = []
        self._expected: int | None = None  # the number of the next line that is read
        segments = _segments(folder)
        self.is_new = not segments
        self.begins = _first_seq(segments[0]) if segments else first  # lines before this one were removed
        self.last_seq = self.begins - 1  # the newest line's number, also when that line is covered and forgotten
        for segment in segments:
            self._read(segment, is_last=segment == segments[-1])
        if self.is_new:
            self._begin_segment(first)
            fsync_directory(folder)

    def append(self, kind: str, at: Position, **data: Any) -> Line:
        """The line is durable when this returns. Raises OSError; after a failed sync the process must end."""
        line = Line(seq=self.last_seq + 1, kind=kind, at=at, data=data)
        content = _encoded(line)
        if self._end + len(content) >= self._allocated:
            self._grow(self._allocated + SEGMENT_BYTES)
        os.pwrite(self._file, content, self._end)
        os.fdatasync(self._file)
        self._end += len(content)
        self.last_seq = line.seq
        self.lines.append(line)
        return line

    def begin_segment(self) -> None:
        """Lines from here on go to a new file, on a full disk on to the present one, whose space is taken.

        Harmless if the present one is empty. Raises OSError.
        """
        if not self._end:
            return
        present = self._file
        try:
            self._begin_segment(self.last_seq + 1)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return
        os.close(present)
        fsync_directory(self._folder)

    def forget(self, seq: int) -> None:
        """Removes segments that hold no line after `seq`."""
        segments = _segments(self._folder)
        for segment, following in pairwise(segments):
            if _first_seq(following) <= seq + 1:
                segment.unlink()
                fsync_directory(self._folder)  # or a power cut could take a later one and bring this one back: a hole
        self.lines = [line for line in self.lines if line.seq > seq]

    def _read(self, segment: Path, *, is_last: bool) -> None:
        content = segment.read_bytes()
        end = 0
        expected = _first_seq(segment)
        if self._expected not in (None, expected):
            raise JournalHole(f"{segment}: the lines {self._expected} to {expected - 1} are missing")
        for line, line_end in _good_lines(content):
            if line.seq != expected:
                raise JournalHole(f"{segment}: line {line.seq} stands where {expected} belongs")
            self.lines.append(line)
            expected, end = expected + 1, line_end
        self._expected, self.last_seq = expected, expected - 1
        if any(True for _ in _lines_behind(content, end)):
            raise JournalHole(f"{segment}: damaged at byte {end}, with whole lines behind it")
        if is_last:
            self._open(segment, end, content)

    def _open(self, segment: Path, end: int, content: bytes) -> None:
        """Cuts a torn tail by writing zeros over it: its space stays ours, also on a full disk."""
        self._file, self._end = os.open(segment, os.O_RDWR | os.O_CLOEXEC), end
        torn = len(content.rstrip(b"\0")) - end
        os.pwrite(self._file, bytes(max(0, torn)), end)
        self._grow(max(len(content), SEGMENT_BYTES))
        fsync_directory(self._folder)  # a kill may have come before that of its beginning

    def _begin_segment(self, first: int) -> None:
        """The segment appears under its name only when its space is taken; the name is not durable yet."""
        final = self._folder / f"{first:020d}{SUFFIX}"
        unborn = final.with_name(f".{final.name}")
        file = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            _allocate(file, SEGMENT_BYTES)
            unborn.rename(final)
        except OSError:
            os.close(file)
            unborn.unlink(missing_ok=True)
            raise
        self._file, self._end, self._allocated = file, 0, SEGMENT_BYTES

    def _grow(self, size: int) -> None:
        _allocate(self._file, size)
        self._allocated = size


def _allocate(file: int, size: int) -> None:
    os.posix_fallocate(file, 0, size)
    os.fsync(file)


def _segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"[0-9]*{SUFFIX}"))


def set_aside(folder: Path) -> Path:
    """Moves a journal with a hole out of the way, for a person to look at; returns where it lies now."""
    number = 1 + sum(1 for _ in folder.parent.glob(f"{folder.name}-hole-*"))
    aside = folder.with_name(f"{folder.name}-hole-{number}")
    aside.mkdir()
    for segment in _segments(folder):  # oldest first: should a kill come between, what is left still begins too late
        segment.rename(aside / segment.name)
    for changed in (aside, folder, folder.parent):
        fsync_directory(changed)
    return aside


def _remove_unborn(folder: Path) -> None:
    for leftover in folder.glob(f".*{SUFFIX}"):
        leftover.unlink()


def _first_seq(segment: Path) -> int:
    return int(segment.stem)


def _encoded(line: Line) -> bytes:
    body = msgspec.json.encode(line)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _decoded(text: bytes) -> Line | None:
    crc, _, body = text.partition(b" ")
    if len(crc) != 8 or crc != b"%08x" % zlib.crc32(body):
        return None
    return msgspec.json.decode(body, type=Line)


def _good_lines(content: bytes) -> Iterator[tuple[Line, int]]:
    """(line, the byte behind it) up to the first that is not whole."""
    start = 0
    while (newline := content.find(b"\n", start)) >= 0:
        line = _decoded(content[start:newline])
        if line is None:
            return
        start = newline + 1
        yield line, start


def _lines_behind(content: bytes, end: int) -> Iterator[Line]:
    """Whole lines behind a damaged one."""
    for text in content[end:].split(b"\n")[:-1]:
        if line := _decoded(text.strip(b"\0")):
            yield line
