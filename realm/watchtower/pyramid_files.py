"""The pyramid as files, in metrics/pyramid/: one writer, many readers.

    index.json   what is there: how many records of each file count, and how far the raw rows were read
    steps.bin    a record for each step          8.bin ... 32768.bin   one for each bucket of so many steps

A record lies at its number times its size, so a reader finds steps by Range. The files first, then index.json: what
lies behind its counts is the writer's. A kill leaves files that are ahead of their index; the next start cuts them back
and reads the same rows again, which changes nothing. What a power cut or a hand damaged does not have the CRC-32 that
the index states, and all is built anew from the rows.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from zlib import crc32

import msgspec
from msgspec import Struct

from realm.core.status import replace_whole
from realm.watchtower.pyramid import (
    BUCKET,
    FAN,
    NO_STEP,
    SERIES,
    STEP,
    WIDTHS,
    Changes,
    buckets_of_buckets,
    buckets_of_steps,
)
from realm.watchtower.row_reader import Place

FOLDER = "pyramid"  # in metrics/
INDEX = "index.json"
SCHEMA = "pyramid@1"
PIECE = 4096  # records that are worked on at once
MOST_AHEAD = 20_000_000  # steps without rows that are believed: their empty records take 800 MB


class Damaged(Exception):
    """The files are not what their index says; the text says which."""


class Level(Struct, frozen=True):
    """What the index says of a file. The first `closed` records have the CRC-32."""

    file: str
    records: int = 0
    closed: int = 0
    crc32: int = 0


class Index(Struct, frozen=True, kw_only=True):
    """index.json. `rows`: steps that have one. `read` null: nothing yet."""

    schema: str = SCHEMA
    series: tuple[str, ...] = SERIES
    widths: tuple[int, ...] = WIDTHS
    record_bytes: int = BUCKET.size
    step_record_bytes: int = STEP.size
    last_step: int = 0
    rows: int = 0
    rewinds: int = 0
    bytes_left: int = 0  # of raw rows, when it was written: 0 means that the pyramid is up to date
    read: Place | None = None
    steps: Level = Level("steps.bin")
    levels: dict[str, Level] = msgspec.field(default_factory=lambda: {str(w): Level(f"{w}.bin") for w in WIDTHS})


class PyramidFiles:
    """Opens what an earlier process left, or raises Damaged, OSError."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.index = _read_index(folder / INDEX)
        self._index_inode = (folder / INDEX).stat().st_ino
        with ExitStack() as stack:
            self._steps = stack.enter_context(_Records(folder, self.index.steps, STEP.size))
            levels = (_Records(folder, self.index.levels[str(width)], BUCKET.size) for width in WIDTHS)
            self._levels = [stack.enter_context(level) for level in levels]
            self._rebuild_from(self.index.last_step + 1)
            self.close = stack.pop_all().close

    def extend(self, changes: Changes, read: Place | None, bytes_left: int) -> None:
        """Takes in what rows did, and notes how far they were read. Raises Damaged, OSError: then open it anew."""
        if changes.kept is not None and changes.kept < self._steps.count:
            self._undo(changes.kept)
        if (first := changes.first) is not None:
            self._add(changes)
            self._steps.close_up(self._steps.count, changed=first - 1)
            self._rebuild_from(first)
        self._write_index(read, bytes_left, self.index.rewinds + len(changes.rewinds))

    def _undo(self, to_step: int) -> None:
        """The index forgets the steps behind it before they go: a kill leaves files that are only ahead of it."""
        files = [(1, self._steps), *zip(WIDTHS, self._levels, strict=True)]
        last_step = self._last_row(to_step)
        for width, file in files:
            file.forget(last_step // width)
        self._write_index(self.index.read, self.index.bytes_left, self.index.rewinds)
        for _, file in files:
            file.cut(file.count)

    def _add(self, changes: Changes) -> None:
        for first, records in changes.runs():
            while (missing := first - 1 - self._steps.count) > 0:
                self._steps.write(self._steps.count, NO_STEP * min(missing, PIECE))
            self._steps.write(first - 1, records)

    def _last_row(self, end: int) -> int:
        """The last step up to this one that has a row; 0 if none has."""
        while end:
            begin = max(0, end - PIECE)
            records = self._steps.read(begin, end)
            if records != NO_STEP * (end - begin):
                rows = [step for step, (has_row, *_) in enumerate(STEP.iter_unpack(records), begin + 1) if has_row]
                return rows[-1]
            end = begin
        return 0

    def _rebuild_from(self, step: int) -> None:
        """Every bucket from the one that has this step on."""
        below, last_step = self._steps, self._steps.count
        for width, level in zip(WIDTHS, self._levels, strict=True):
            first, end = max(0, step - 1) // width, -(-last_step // width)
            first = min(first, level.count, end)
            for begin in range(first, end, PIECE):
                children = below.read(begin * FAN, min(begin + PIECE, end) * FAN)
                made = (
                    buckets_of_steps(begin, children)
                    if below is self._steps
                    else buckets_of_buckets(begin, width, children)
                )
                level.write(begin, made)
            if level.count > end:
                level.cut(end)
            level.close_up(last_step // width, changed=first)
            below = level

    def check_ours(self) -> None:
        """Raises Damaged if somebody moved the folder away, or changed a file's size."""
        try:
            is_ours = (self._folder / INDEX).stat().st_ino == self._index_inode
        except FileNotFoundError:
            is_ours = False
        if not is_ours:
            raise Damaged(f"{self._folder / INDEX} is gone, or another one")
        for file in (self._steps, *self._levels):
            file.check_ours()

    def _write_index(self, read: Place | None, bytes_left: int, rewinds: int) -> None:
        widest = self._levels[-1]
        rows = sum(int(count) for _, count, *_ in BUCKET.iter_unpack(widest.read(0, widest.count)))
        self.index = Index(
            last_step=self._steps.count,
            rows=rows,
            rewinds=rewinds,
            bytes_left=bytes_left,
            read=read,
            steps=self._steps.level,
            levels={str(width): level.level for width, level in zip(WIDTHS, self._levels, strict=True)},
        )
        self._index_inode = write_index(self._folder, self.index)


def begin_anew(folder: Path) -> None:
    """An empty pyramid. Raises OSError."""
    folder.mkdir(exist_ok=True)
    write_index(folder, Index())
    for level in (Index().steps, *Index().levels.values()):
        (folder / level.file).write_bytes(b"")


def write_index(folder: Path, index: Index) -> int:
    """Returns its inode."""
    replace_whole(folder / INDEX, msgspec.json.encode(index) + b"\n")
    return (folder / INDEX).stat().st_ino


def _read_index(path: Path) -> Index:
    try:
        index = msgspec.json.decode(path.read_bytes(), type=Index)
    except FileNotFoundError:
        raise Damaged(f"{path} does not exist") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"{path}: {error}") from None
    of_ours = Index()
    for field in ("schema", "series", "widths", "record_bytes", "step_record_bytes"):
        if getattr(index, field) != getattr(of_ours, field):
            raise Damaged(f"{path}: {field} is {getattr(index, field)}, this version writes {getattr(of_ours, field)}")
    if index.levels.keys() != of_ours.levels.keys():
        raise Damaged(f"{path}: levels are {', '.join(index.levels)}")
    return index


class _Records:
    """One file of records. `closed` of them change only when steps are undone, and `crc` is theirs."""

    def __init__(self, folder: Path, level: Level, size: int):
        self._path, self._size, self._said = folder / level.file, size, level
        self.count, self._closed, self._crc = level.closed, 0, 0

    def __enter__(self) -> Self:
        """Raises Damaged unless the file holds what its level says."""
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Damaged(f"{self._path} does not exist") from None
        try:
            self._check()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _check(self) -> None:
        found, said = os.fstat(self._file), self._said
        self._inode = found.st_ino
        if found.st_size < said.closed * self._size:
            raise Damaged(f"{self._path} has {found.st_size:,} bytes, its index counts {said.closed * self._size:,}")
        self.close_up(said.closed, changed=0)
        if self._crc != said.crc32:
            raise Damaged(f"{self._path} is damaged: its CRC-32 is {self._crc:08x}, its index has {said.crc32:08x}")
        self.cut(said.closed)

    @property
    def level(self) -> Level:
        return Level(self._path.name, self.count, self._closed, self._crc)

    def check_ours(self) -> None:
        """Raises Damaged if it is not as we left it."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            raise Damaged(f"{self._path} is gone") from None
        if found.st_ino != self._inode or found.st_size != self.count * self._size:
            raise Damaged(f"{self._path} was changed: {found.st_size:,} bytes instead of {self.count * self._size:,}")

    def read(self, first: int, end: int) -> bytes:
        """Records `first` up to `end`, or as far as there are any. Raises Damaged."""
        size = max(0, min(end, self.count) - first) * self._size
        content = os.pread(self._file, size, first * self._size)
        if len(content) < size:
            raise Damaged(f"{self._path} ends before record {self.count:,}")
        return content

    def write(self, first: int, records: bytes) -> None:
        """Over those that are there, and on."""
        rest, offset = memoryview(records), first * self._size
        while rest:
            written = os.pwrite(self._file, rest, offset)
            rest, offset = rest[written:], offset + written
        self.count = max(self.count, first + len(records) // self._size)

    def forget(self, count: int) -> None:
        """Those behind do not count any more; they go with the next `cut`."""
        self.count = count
        self.close_up(count, changed=count)

    def cut(self, count: int) -> None:
        os.ftruncate(self._file, count * self._size)
        self.count = count

    def close_up(self, closed: int, changed: int) -> None:
        """Sums what is closed now; records before `changed` are as they were."""
        if min(changed, closed) < self._closed:
            self._closed, self._crc = 0, 0
        for begin in range(self._closed, closed, PIECE):
            self._crc = crc32(self.read(begin, min(begin + PIECE, closed)), self._crc)
        self._closed = closed
