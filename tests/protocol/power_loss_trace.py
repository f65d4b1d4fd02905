"""What a run does to files, as strace saw it, and the same done to a model of a disk."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISGID
from typing import NamedTuple

from tests.protocol.power_loss_disk import UMASK, Change, Disk, File, Folder

STRACE = shutil.which("strace")
REPOSITORY = Path(__file__).parents[2]
MODELLED = (
    "openat,lseek,write,pwrite64,sendfile,fallocate,ftruncate,fsync,fdatasync,"
    "rename,renameat2,unlink,unlinkat,mkdir,rmdir,chmod,fchmod,utimensat"
)
FOREIGN = (  # the product makes none of these; one that it does make is refused here, not overlooked
    "open,creat,openat2,writev,pwritev,pwritev2,copy_file_range,splice,truncate,renameat,link,linkat,symlink,symlinkat,"
    "mkdirat,mknod,mknodat,fchmodat,fchownat,fchown,chown,setxattr,fsetxattr"
)
HOMES = "homes"  # folder of the runs' homes
MARKS = "marks"  # a file beside it: a line `<home> <text>` written to it is a moment of that run

_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += +(-?\d+)(?:<.*>)?(?: .*)?\n")
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
_DESCRIPTOR = re.compile(r"(\w+)<([^>]*)>(?:\(deleted\))?")


class Mark(NamedTuple):
    """The run said so, behind every earlier call and before every later one."""

    text: str


class Call(NamedTuple):
    process: int
    name: str
    arguments: tuple[str, ...]  # strings without quotes, a byte a character
    result: int


class UnmodelledCall(RuntimeError):
    """The disk has no rule for this call."""


def record(base: Path, *command: str) -> dict[str, list[Call | Mark]]:
    """Runs a Python command under strace; what it did below base/homes/<home>, and its marks, by home."""
    log = base / "log"
    strace = [str(STRACE), "-f", "-qq", "-y", "-xx", "-s", str(2**24), "--seccomp-bpf", "-o", str(log)]
    command = (*strace, "-e", f"trace={MODELLED},{FOREIGN}", sys.executable, "-B", *command)
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    found: dict[str, list[Call | Mark]] = {}
    with log.open() as lines:
        for home, event in _events(lines, base):
            found.setdefault(home, []).append(event)
    log.unlink()
    return found


def _events(lines: Iterator[str], base: Path) -> Iterator[tuple[str, Call | Mark]]:
    """(home, event) in the order in which they came. Raises UnmodelledCall where calls of threads overlap."""
    below = re.compile(rf"{re.escape(str(base / HOMES))}/([^/>]+)")
    for line in lines:
        parts = _LINE.fullmatch(line)
        if parts is None:
            if "unfinished" in line:
                raise UnmodelledCall(f"two threads at once: {line[:200]}")
            continue  # a signal, or the end of a process
        process, name, arguments, result = parts.groups()
        decoded = tuple(_decoded(one) for one in arguments.split(", "))
        named = (decoded[0],) if name in ("write", "pwrite64") else decoded  # the second one is bytes
        if name == "write" and f"<{base / MARKS}>" in decoded[0]:
            home, _, text = decoded[1].partition(" ")
            yield home, Mark(text.strip())
        elif int(result) >= 0 and (home_found := below.search(" ".join(named))):
            yield home_found[1], Call(int(process), name, decoded, int(result))


def _decoded(argument: str) -> str:
    text = _HEX.sub(lambda found: bytes.fromhex(found[0].replace("\\x", "")).decode("latin-1"), argument)
    return text[1:-1] if argument.startswith('"') else text


class Redo:
    """Does recorded calls again, to a disk that models the folder `root`."""

    def __init__(self, disk: Disk, root: Path):
        self.disk = disk
        self._root = str(root)
        self._positions: dict[tuple[int, str], int | None] = {}  # of open files; None: writes go to the end

    def __call__(self, call: Call) -> None:
        """Raises UnmodelledCall."""
        act = getattr(self, f"_{call.name}", None)
        if act is None:
            raise UnmodelledCall(f"{call.name} of {call.arguments[0][-200:]}: give the disk a rule for it")
        act(call)

    # Paths

    def _path(self, text: str) -> str | None:
        """Below the root; None for one elsewhere."""
        if text == self._root:
            return ""
        return text.removeprefix(f"{self._root}/") if text.startswith(f"{self._root}/") else None

    def _at(self, descriptor: str, name: str) -> str | None:
        """The path of openat(2) and its like."""
        return self._path(str(Path(self._descriptor(descriptor)[1]) / name))

    @staticmethod
    def _descriptor(text: str) -> tuple[str, str]:
        """(number, path)."""
        parts = _DESCRIPTOR.fullmatch(text)
        assert parts, text
        return parts[1], parts[2]

    def _node(self, call: Call) -> int | None:
        """What the first argument's descriptor is open on; None if it has no name any more, or lies elsewhere."""
        path = self._path(self._descriptor(call.arguments[0])[1])
        return None if path is None else self.disk.find(path)

    def _file(self, call: Call) -> File | None:
        number = self._node(call)
        node = None if number is None else self.disk.nodes[number]
        return node if isinstance(node, File) else None

    def _key(self, call: Call, argument: int = 0) -> tuple[int, str]:
        return call.process, self._descriptor(call.arguments[argument])[0]

    # Files

    def _openat(self, call: Call) -> None:
        folder, name, flags, *mode = call.arguments
        path = self._at(folder, name)
        if "O_TMPFILE" in flags:
            raise UnmodelledCall(f"O_TMPFILE in {name}")
        if path is not None and self.disk.find(path) is None:  # so it was made
            given = int(mode[0], 8) & ~UMASK
            self.disk.make(path, File(given, given))
        elif path is not None and "O_TRUNC" in flags:
            self.disk.file(path).change(Change(0))
        self._positions[call.process, str(call.result)] = None if "O_APPEND" in flags else 0

    def _lseek(self, call: Call) -> None:
        if self._positions.get(self._key(call)) is not None:
            self._positions[self._key(call)] = call.result

    def _write(self, call: Call) -> None:
        self._put(call, call.arguments[1].encode("latin-1")[: call.result])

    def _pwrite64(self, call: Call) -> None:
        if file := self._file(call):
            file.change(Change(int(call.arguments[3]), call.arguments[1].encode("latin-1")[: call.result]))

    def _sendfile(self, call: Call) -> None:
        """Copies from where the source stands; copyfile(3) reads each source once, from its beginning."""
        source = Path(self._descriptor(call.arguments[1])[1])
        inside = self._path(str(source))
        content = source.read_bytes() if inside is None else self.disk.file(inside).now
        begin = self._positions[self._key(call, 1)] or 0
        self._positions[self._key(call, 1)] = begin + call.result
        self._put(call, content[begin : begin + call.result])

    def _put(self, call: Call, content: bytes) -> None:
        position = self._positions[self._key(call)]
        if content and (file := self._file(call)):
            file.change(Change(len(file.now) if position is None else position, content))
        if position is not None:
            self._positions[self._key(call)] = position + len(content)

    def _fallocate(self, call: Call) -> None:
        _, mode, offset, length = call.arguments
        if mode != "0":
            raise UnmodelledCall(f"fallocate with mode {mode}")
        if (file := self._file(call)) and int(offset) + int(length) > len(file.now):
            file.change(Change(int(offset) + int(length)))

    def _ftruncate(self, call: Call) -> None:
        if file := self._file(call):
            file.change(Change(int(call.arguments[1])))

    def _fsync(self, call: Call) -> None:
        number = self._node(call)
        if number is not None:
            self.disk.sync(number)

    _fdatasync = _fsync

    def _fchmod(self, call: Call) -> None:
        number = self._node(call)
        if number is not None:
            self.disk.nodes[number].mode = int(call.arguments[1], 8)

    def _utimensat(self, call: Call) -> None:
        """Times are no part of the model."""

    # Names

    def _rename(self, call: Call) -> None:
        self._renamed(call.arguments[0], call.arguments[1])

    def _renameat2(self, call: Call) -> None:
        self._renamed(call.arguments[1], call.arguments[3])

    def _renamed(self, origin: str, target: str) -> None:
        old, new = self._path(origin), self._path(target)
        if old is None or new is None:
            raise UnmodelledCall(f"{origin} is renamed to {target}, across the edge of the model")
        self.disk.rename(old, new)

    def _unlink(self, call: Call) -> None:
        self._removed(self._path(call.arguments[0]))

    _rmdir = _unlink

    def _unlinkat(self, call: Call) -> None:
        self._removed(self._at(call.arguments[0], call.arguments[1]))

    def _removed(self, path: str | None) -> None:
        if path is not None:
            self.disk.remove(path)

    def _mkdir(self, call: Call) -> None:
        path = self._path(call.arguments[0])
        if path is not None:
            parent = self.disk.find(str(Path(path).parent))
            inherited = 0 if parent is None else self.disk.nodes[parent].mode & S_ISGID
            mode = int(call.arguments[1], 8) & ~UMASK | inherited
            self.disk.make(path, Folder(mode, mode))

    def _chmod(self, call: Call) -> None:
        path = self._path(call.arguments[0])
        number = None if path is None else self.disk.find(path)
        if number is not None:
            self.disk.nodes[number].mode = int(call.arguments[1], 8)
