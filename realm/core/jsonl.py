"""Append-only files of JSON lines: one writer, many readers, rotated by size.

A line counts once its newline is there. What lies behind the last newline was torn by a kill or a full disk: the
next append cuts it off, readers ignore it. So are last lines with NUL bytes, which no JSON has: a power cut left their
end without their beginning. A full file is renamed to `<name>.000001.jsonl`, the next to `.000002`: an open file keeps
its inode, so a reader that remembers (inode, offset) goes on where it was.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK = 64 * 1024


class Position(NamedTuple):
    """Where a reader stopped: behind a newline, in the file that has this inode."""

    inode: int
    offset: int


def append_lines(path: Path, lines: bytes, *, durable: bool = False) -> None:
    """Appends whole lines, all or none of them. `durable`: when it returns, they survive a power cut.

    Raises OSError. After a failed fsync, too, the lines are gone again: a second try writes them anew, and does not
    trust pages that the kernel may have dropped.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = _cut_torn_line(descriptor)
        try:
            _write(descriptor, lines)
            if durable:
                os.fsync(descriptor)
            if durable and size == 0:
                _fsync_names(path.parent)
        except OSError:
            with suppress(OSError):  # the first error is the one to tell; the next append would cut a torn line
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def append_rotating(path: Path, lines: bytes, *, rotate_bytes: int, keep: int | None) -> bool:
    """Appends whole lines, to a new file if the current one has `rotate_bytes`; returns whether it had.

    Raises OSError.
    """
    full = path.exists() and path.stat().st_size >= rotate_bytes
    if full:
        rotate(path, keep)
    append_lines(path, lines)
    return full


def rotate(path: Path, keep: int | None) -> None:
    """Gives the current file the next number and removes the oldest beyond `keep` rotated ones (None: keeps all)."""
    older = rotated(path)
    number = _number(older[-1]) + 1 if older else 1
    path.rename(path.with_name(f"{path.stem}.{number:06d}{path.suffix}"))
    surplus = rotated(path)[:-keep] if keep else []
    for file in surplus:
        file.unlink()


def rotated(path: Path) -> list[Path]:
    """The files that were rotated away from `path`, oldest first."""
    pattern = re.compile(rf"{re.escape(path.stem)}\.\d+{re.escape(path.suffix)}")
    return sorted((file for file in path.parent.iterdir() if pattern.fullmatch(file.name)), key=_number)


def whole_lines(path: Path) -> Iterator[bytes]:
    """Every line of the rotated files and the current one, oldest first, without its newline."""
    with ExitStack() as stack:
        for file in _open_all(path, stack).values():
            yield from (line[:-1] for line in file if line.endswith(b"\n"))


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, whole line) of one file that is not rotated; none if there is no such file."""
    if not path.exists():
        return
    with path.open("rb") as file:
        rest = whole_size(file)
        file.seek(0)
        for number, line in enumerate(file, start=1):
            rest -= len(line)
            if rest < 0:
                return
            yield number, line


def last_lines(path: Path, count: int) -> list[bytes]:
    """The newest `count` lines, oldest of them first; reads no more of the files than that takes."""
    lines: list[bytes] = []
    with ExitStack() as stack:
        for file in reversed(_open_all(path, stack).values()):
            lines = _last_lines_of(file, count - len(lines)) + lines
            if len(lines) >= count:
                break
    return lines


def whole_size(file: BinaryIO) -> int:
    """The offset behind the last whole line: what follows was torn. Moves the file's position."""
    end = _whole_until(file, file.seek(0, os.SEEK_END))
    while end > 0:
        begin = _whole_until(file, end - 1)
        file.seek(begin)
        if b"\0" not in file.read(end - begin):
            break
        end = begin
    return end


def end_of(path: Path) -> Position:
    """Where `lines_after` begins to return only what is appended from now on."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            return Position(_inode(file), _whole_until(file, end))
    except FileNotFoundError:
        return Position(0, 0)


def lines_after(path: Path, position: Position | None = None) -> tuple[list[bytes], Position]:
    """What was appended behind `position`, and where to go on. None, or a file that is gone: from the oldest on."""
    with ExitStack() as stack:
        files = _open_all(path, stack)
        inodes = list(files)
        begin = inodes.index(position.inode) if position and position.inode in files else 0
        lines: list[bytes] = []
        for inode in inodes[begin:]:
            offset = _valid_offset(files[inode], position) if position and inode == position.inode else 0
            new = _whole_part(files[inode], offset)
            lines += _lines(new)
            position = Position(inode, offset + len(new))
        return lines, position or Position(0, 0)


def _cut_torn_line(descriptor: int) -> int:
    """Truncates to the last whole line; returns the size then."""
    with open(descriptor, "rb", closefd=False) as file:
        whole = whole_size(file)
    if whole < os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, whole)
    return whole


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _fsync_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _number(file: Path) -> int:
    return int(file.stem.rpartition(".")[2])


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _open_all(path: Path, stack: ExitStack) -> dict[int, BinaryIO]:
    """Rotated files and the current one by inode, oldest first."""
    current = _open_existing(path, stack)  # first: if it is rotated meanwhile, it is seen twice, under one inode
    older = [_open_existing(file, stack) for file in rotated(path)]
    return {_inode(file): file for file in [*older, current] if file is not None}


def _open_existing(path: Path, stack: ExitStack) -> BinaryIO | None:
    try:
        return stack.enter_context(path.open("rb"))
    except FileNotFoundError:  # rotated away since the directory was read
        return None


def _whole_until(file: BinaryIO, end: int) -> int:
    """The offset behind the last newline before `end`."""
    while end > 0:
        begin = max(0, end - BLOCK)
        file.seek(begin)
        newline = file.read(end - begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def _last_lines_of(file: BinaryIO, count: int) -> list[bytes]:
    begin = _whole_until(file, file.seek(0, os.SEEK_END))
    tail = b""
    while begin > 0 and tail.count(b"\n") <= count:  # one newline more than lines: the first may be cut
        end, begin = begin, max(0, begin - BLOCK)
        file.seek(begin)
        tail = file.read(end - begin) + tail
    return _lines(tail)[-count:] if count > 0 else []


def _valid_offset(file: BinaryIO, position: Position) -> int:
    """The remembered offset, or 0 if this is another file that got the inode of a deleted one."""
    if position.offset == 0:
        return 0
    file.seek(position.offset - 1)
    return position.offset if file.read(1) == b"\n" else 0


def _whole_part(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    content = file.read()
    return content[: content.rfind(b"\n") + 1]


def _lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")[:-1]
