"""strace at one thread of a living trainer: to write down its system calls, or to let exactly one of them fail."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from realm.core.paths import Home
from tests.arena.preloaded import Life
from tests.arena.realm_home import eventually
from tests.protocol.trainer_life import begin, door

CHANGES = (
    "write,pwrite64,writev,openat,mkdir,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,fsync,fdatasync,"
    "ftruncate,fallocate,chmod,fchmod,fchmodat,copy_file_range,sendfile"
)
CALL = re.compile(r"^\d+<(?P<thread>[\w-]+)> +(?P<name>\w+)\((?P<rest>.*)")


class Call(NamedTuple):
    """The `number`-th call of this name in this thread, counted from 1."""

    thread: str
    name: str
    number: int
    about: str  # the file or folder below the home

    def __str__(self) -> str:
        return f"{self.thread}'s {self.name} {self.number}: {self.about}"


def calls_of_a_life(home: Home, poison: str) -> Iterator[Call]:
    """Every call with which a life changes its home, in the order in which they came."""
    log = home.root.with_name("calls")
    life = begin(home, poison, gate="main")
    options = ("-f", "-y", "-Y", "-s", "0", "-o", str(log), "-e", f"trace={CHANGES}")
    assert traced(home, life, "main", *options) == 0
    counts: dict[tuple[str, str], int] = {}
    for line in log.read_text(errors="replace").splitlines():
        if not (call := CALL.match(line)):
            continue  # the second half of a call that another interrupted
        thread, name, rest = call.group("thread", "name", "rest")
        number = counts[thread, name] = counts.get((thread, name), 0) + 1
        reads = name == "openat" and not re.search(r"O_CREAT|O_TRUNC|O_TMPFILE", rest)
        about = re.search(rf'{re.escape(str(home.root))}/([^">]*)', rest)
        if about and not about[1].startswith("logs/") and not reads and thread != "people":
            yield Call(thread, name, number, about[1])


def fault_at(home: Home, poison: str, call: Call, fault: str) -> tuple[str, int]:
    """One life with this fault at this call: strace's line of it, "" if the life never came there; and its status."""
    log = home.root.with_name(f"{home.root.name}.hit")
    life = begin(home, poison, gate=call.thread)
    inject = f"inject={call.name}:{fault}:when={call.number}"
    status = traced(home, life, call.thread, "-y", "-o", str(log), "-e", f"trace={call.name}", "-e", inject)
    seen = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line for line in seen if line.endswith(("(INJECTED)", "= ?"))), ""), status


def traced(home: Home, life: Life, thread: str, *options: str) -> int:
    """Attaches strace to a thread that waits at its gate, and lets it go on; without -f, to that thread alone.

    Returns the life's exit status. Nothing was traced if it never came to such a thread.
    """
    os.mkfifo(door(home))
    eventually(lambda: life.poll() is not None or thread_named(life, thread), 120, f"thread {thread}")
    if number := thread_named(life, thread):
        with subprocess.Popen(["strace", "-p", str(number), *options], stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr
            assert "attached" in (said := strace.stderr.readline()), said
            opened = os.open(door(home), os.O_RDWR)  # which waits for no reader
            os.write(opened, b"!")
            life.wait(120)
            os.close(opened)
    door(home).unlink()
    return life.wait(120)


def thread_named(life: Life, name: str) -> int | None:
    for thread in Path(f"/proc/{life.pid}/task").glob("*"):
        with suppress(OSError):  # one that has just ended
            if (thread / "comm").read_text().strip() == name:
                return int(thread.name)
    return None
