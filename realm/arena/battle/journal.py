"""The journal: every decision that the quests' bytes do not contain, durable before its effect.

current_model/journal/<first sequence number>.log holds lines `crc32 json`, preallocated with zeros so that a full
disk cannot block the next decision. A torn tail is cut at opening; a hole in the middle is refused. A new segment
begins with each seal, and segments that no kept seal needs are removed.
"""

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
        segments = _segments(folder)
        self.begins = _first_seq(segments[0]) if segments else first  # lines before this one were removed
        for segment in segments:
            self._read(segment, is_last=segment == segments[-1])
        if not segments:
            self._begin_segment(first)

    @property
    def last_seq(self) -> int:
        return self.lines[-1].seq if self.lines else self._first - 1

    def append(self, kind: str, at: Position, **data: Any) -> Line:
        """The line is durable when this returns. Raises OSError; after a failed sync the process must end."""
        line = Line(seq=self.last_seq + 1, kind=kind, at=at, data=data)
        content = _encoded(line)
        if self._end + len(content) >= self._allocated:
            self._allocate(self._allocated + SEGMENT_BYTES)
        os.pwrite(self._file, content, self._end)
        os.fdatasync(self._file)
        self._end += len(content)
        self.lines.append(line)
        return line

    def begin_segment(self) -> None:
        """Lines from here on go to a new file; harmless if the present one is empty."""
        if self._end:
            os.close(self._file)
            self._begin_segment(self.last_seq + 1)

    def forget(self, seq: int) -> None:
        """Removes segments that hold no line after `seq`."""
        segments = _segments(self._folder)
        for segment, following in pairwise(segments):
            if _first_seq(following) <= seq + 1:
                segment.unlink()
        self.lines = [line for line in self.lines if line.seq > seq]

    def _read(self, segment: Path, *, is_last: bool) -> None:
        content = segment.read_bytes()
        end = 0
        expected = _first_seq(segment)
        if self.lines and expected != self.last_seq + 1:
            raise JournalHole(f"{segment}: the lines {self.last_seq + 1} to {expected - 1} are missing")
        for line, line_end in _good_lines(content):
            if line.seq != expected:
                raise JournalHole(f"{segment}: line {line.seq} stands where {expected} belongs")
            self.lines.append(line)
            expected, end = expected + 1, line_end
        if any(True for _ in _lines_behind(content, end)):
            raise JournalHole(f"{segment}: damaged at byte {end}, with whole lines behind it")
        if is_last:
            self._first = _first_seq(segment)
            self._open(segment, end, len(content))

    def _open(self, segment: Path, end: int, allocated: int) -> None:
        """Cuts a torn tail by writing zeros over it."""
        self._file = os.open(segment, os.O_RDWR | os.O_CLOEXEC)
        self._end, self._allocated = end, end
        os.ftruncate(self._file, end)
        self._allocate(max(allocated, SEGMENT_BYTES))

    def _begin_segment(self, first: int) -> None:
        """The segment appears under its name only when its space is taken."""
        final = self._folder / f"{first:020d}{SUFFIX}"
        unborn = final.with_name(f".{final.name}")
        self._file = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._first, self._end, self._allocated = first, 0, 0
        self._allocate(SEGMENT_BYTES)
        unborn.rename(final)
        fsync_directory(self._folder)

    def _allocate(self, size: int) -> None:
        os.posix_fallocate(self._file, 0, size)
        os.fsync(self._file)
        self._allocated = size


def _segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"[0-9]*{SUFFIX}"))


def set_aside(folder: Path) -> Path:
    """Moves a journal with a hole out of the way, for a person to look at; returns where it lies now."""
    number = 1 + sum(1 for _ in folder.parent.glob(f"{folder.name}-hole-*"))
    aside = folder.with_name(f"{folder.name}-hole-{number}")
    folder.rename(aside)
    folder.mkdir()
    fsync_directory(folder.parent)
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
