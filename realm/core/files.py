"""Durable files: content appears whole or not at all and survives a power cut. Nothing else calls fsync.

A failed fsync is never retried: the kernel may have dropped the pages and would call the next one a success.
Whoever sees the error must stop and read again what is on the disk.
"""

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

OLD_SECONDS = 3600.0  # no living writer takes an hour over one file


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Puts `content` in place of whatever `path` was; readers see the old or the new, never a part.

    Permissions are exactly `mode`. Raises OSError, and then `path` is as before and nothing is left behind;
    only if the last act fails, the sync of the directory, is the new content there but perhaps not durable.
    A killed process may leave a dot-named `.tmp` beside `path`, which `sweep_temporary` removes an hour later.
    """
    write_pieces(path, (content,), mode=mode)


def write_pieces(path: Path, pieces: Iterable[bytes], *, mode: int = 0o644) -> None:
    """`write_whole` of content that need not fit into memory. Whatever `pieces` raise is as any other failure."""
    temporary = temporary_in(path.parent)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        _fill(descriptor, pieces, mode)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def temporary_in(folder: Path) -> Path:
    """A name that nobody else takes, for a file that is about to get its own."""
    return folder / f".{os.urandom(8).hex()}.tmp"


def sweep_temporary(folder: Path) -> None:
    """Removes the temporary files of writers that were killed. What may not be removed stays."""
    for leftover in folder.glob(f".{'[0-9a-f]' * 16}.tmp"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > OLD_SECONDS:
                leftover.unlink()


def publish_folder(staging: Path, final: Path) -> None:
    """Gives a finished folder its name: `staging`, its dot-named sibling, durably becomes `final`.

    Raises ValueError if `staging` is no dot-named sibling or holds anything but files and folders,
    FileExistsError if anything is at `final`, OSError if a sync or the rename fails; `staging` then stays.
    """
    if staging.parent != final.parent or not staging.name.startswith("."):
        raise ValueError(f"{staging} cannot become {final}: stage it in {final.parent}, dot-named")
    if os.path.lexists(final):  # afterwards, rename(2) itself refuses all but an empty folder
        raise FileExistsError(f"{final} exists: move it aside or take another name")
    for file in files_below(staging):
        _fsync(file)
    for folder in _folders_below(staging):
        fsync_directory(folder)
    staging.rename(final)
    fsync_directory(final.parent)


def fsync_directory(path: Path) -> None:
    """Makes the names in a directory durable: what was created, renamed or removed there."""
    _fsync(path, os.O_DIRECTORY)


def settle(path: Path) -> None:
    """Makes a file durable with its name, if there is one: a kill may have left it to the kernel alone."""
    if path.exists():
        _fsync(path)
        fsync_directory(path.parent)


def sha256_of(path: Path) -> str:
    """Lower-case hex digest, read in pieces: memory does not grow with the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below, by name relative to `folder` (`/` between parts), sorted.

    Raises ValueError for a link or special file: it would not travel with the folder.
    """
    names = {file.relative_to(folder).as_posix(): file for file in files_below(folder)}
    return {name: sha256_of(names[name]) for name in sorted(names)}


def files_below(folder: Path) -> list[Path]:
    """Every regular file below `folder`. Raises ValueError for a link or special file."""
    found = []
    for parent in _folders_below(folder):
        for path in parent.iterdir():
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ValueError(f"{path} is a link or special file: put a copy of the content in its place")
            if path.is_file():
                found.append(path)
    return found


def _folders_below(folder: Path) -> list[Path]:
    """`folder` and every folder below it; links are not followed."""
    inner = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return [folder, *(deep for path in inner for deep in _folders_below(path))]


def _fill(descriptor: int, pieces: Iterable[bytes], mode: int) -> None:
    """Writes, syncs and closes."""
    try:
        os.fchmod(descriptor, mode)  # open() obeys the umask
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync(path: Path, flags: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
