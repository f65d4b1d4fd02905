"""Copying what lies in the inbox: exactly the bytes that were seen, hashed on the way, and never into a full disk."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from realm.arena.intake.inbox import File, Identity

SPACE_KEPT = 256 * 2**20  # bytes that stay free whatever is dropped
SPACE_FACTOR = 1.5  # times what is written stays free too

# What a person or time mends, and how: the drop waits. Anything else, above all EIO, ends the process.
SHORTAGES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or raise the quota",
    errno.EROFS: "mount it for writing",
    errno.EACCES: "give the queue-watcher's user leave to write there",
    errno.EPERM: "give the queue-watcher's user leave to write there; `lsattr -d` may show why it has none",
    errno.ENOENT: "run `realm init`",  # a folder of the home is gone
    errno.EXDEV: "let the whole home lie on one mount: quests move by rename",
    errno.EMFILE: "give the queue-watcher a higher limit of open files",
    errno.ENFILE: "other programs have too many files open",
    errno.ENOMEM: "other programs take too much memory",
}

Pulse = Callable[[], None]


class DropChanged(Exception):
    """The drop is not what it was when it was seen: the next look decides."""


class DropUnreadable(Exception):
    """The drop cannot be read, though it is there; the text says why."""


class Shortage(Exception):
    """Nothing is wrong with the drop: disk space, or leave to write, is missing; the text says which, and the mend."""

    @classmethod
    def of(cls, error: OSError) -> "Shortage":
        """`error.errno` is one of SHORTAGES."""
        name = error.filename2 or error.filename
        path = Path(os.fsdecode(name)) if name else None
        place = path.parent if path and not os.path.lexists(path) else path  # a name of our making says nothing
        where = f"{place}: " if place else ""
        return cls(f"{where}{error.strerror} ({SHORTAGES[error.errno or 0]})")


class Opened:
    """A file of the inbox, open for reading."""

    def __init__(self, file: File, pulse: Pulse):
        """`pulse` is called before each read and may raise. Raises DropChanged, DropUnreadable."""
        self._pulse = pulse
        self._left = file.identity.size
        try:
            self._descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise DropChanged from None
        except OSError as error:
            raise DropUnreadable(error.strerror) from error
        if Identity.of(os.fstat(self._descriptor)) != file.identity:
            os.close(self._descriptor)
            raise DropChanged

    def read(self, size: int, /) -> bytes:
        """No more than was seen, though somebody appends. Raises DropUnreadable, and what the pulse raises."""
        self._pulse()
        try:
            piece = os.read(self._descriptor, min(size, self._left))
        except OSError as error:
            raise DropUnreadable(error.strerror) from error
        self._left -= len(piece)
        return piece

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


class Copy:
    """A copy being made: hashed, counted, and durable once `of` is exhausted."""

    def __init__(self, path: Path):
        self.path = path
        self.size = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Passes the pieces on. Raises Shortage before the disk is full."""
        with self.path.open("xb") as target:
            for piece in pieces:
                require_space(self.path.parent, written=self.size)
                target.write(piece)
                self._digest.update(piece)
                self.size += len(piece)
                yield piece
            target.flush()
            os.fsync(target.fileno())  # now, as publishing holds up other drops

    def make(self, pieces: Iterable[bytes]) -> None:
        for _ in self.of(pieces):
            pass


def require_space(folder: Path, *, written: int = 0, ahead: int = 0) -> None:
    """Raises Shortage if too little is free for `ahead` bytes more. All sizes are bytes."""
    free = shutil.disk_usage(folder).free
    needed = SPACE_KEPT + int(SPACE_FACTOR * (written + ahead)) + ahead
    if free < needed:
        short = f"{_megabytes(free)} free on the disk of the realm's home, {_megabytes(needed)} needed"
        raise Shortage(f"{short} ({SHORTAGES[errno.ENOSPC]})")


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"
