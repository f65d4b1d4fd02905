"""strace around a workbench: which calls a subject makes, and a fault at exactly one of them."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from types import TracebackType
from typing import Self

import msgspec

from tests.protocol.workbench import LONGEST_ORDER, PATIENCE_SECONDS, Answer, Order

CHECKOUT = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")  # homes that live for milliseconds lie here: a fault is the same on every disk
FAULTS = {"SIGKILL": "signal=KILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO"}
CHANGES = (
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "splice"),
    *("openat", "openat2", "creat", "mkdir", "mkdirat", "mknodat", "symlink", "symlinkat", "link", "linkat"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"),
    *("fsync", "fdatasync", "sync_file_range", "syncfs", "fallocate", "truncate", "ftruncate"),
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "utimensat"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "fremovexattr"),
)
READS = re.compile(r"^openat2?\((?!.*O_(?:CREAT|TRUNC|TMPFILE))")
CALL = re.compile(r"^(?P<pid>\d+) +(?P<call>(?P<name>\w+)\(.*)")
ROOM = 1.25  # calls beyond those of a calm run that a child may make after its fault without meeting another


@dataclass(frozen=True)
class Point:
    """The `number`-th call of this name, counted from 1."""

    name: str
    number: int
    about: str  # as strace shows it, with the home's path left out

    def __str__(self) -> str:
        return f"{self.name} {self.number}: {self.about[:120]}"


@dataclass(frozen=True)
class Trace:
    """A calm run."""

    points: list[Point]  # the calls that change the home
    counts: Counter[str]  # of all calls, by name


class Bench:
    """A workbench that runs; traced if it is given strace's options."""

    def __init__(self, *options: str, environment: dict[str, str] | None = None):
        self._orders, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        self._orders.settimeout(2 * PATIENCE_SECONDS)
        tracer = ["strace", "-f", "-e", f"trace={','.join(CHANGES)}", *options] if options else []
        with theirs:
            self._process = subprocess.Popen(
                [*tracer, sys.executable, "-B", "-m", "tests.protocol.workbench", str(theirs.fileno())],
                cwd=CHECKOUT,
                env={**os.environ, "PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "false", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._orders.close()
        self._process.wait(PATIENCE_SECONDS)

    def carry_out(self, order: Order) -> Answer:
        self._orders.send(msgspec.json.encode(order))
        content = self._orders.recv(LONGEST_ORDER)
        assert content, "the workbench has died; what it said is on stderr"
        return msgspec.json.decode(content, type=Answer)


WORKBENCH = "the workbench itself"


def traced(homes: dict[str, Path], log: Path, environment: dict[str, str] | None = None) -> dict[str, list[str]]:
    """Carries out each subject calmly, in its home; returns the calls of each, as strace shows them.

    Among them those of the workbench itself, which must not be struck.
    """
    with Bench("--seccomp-bpf", "-y", "-s", "4096", "-o", str(log), environment=environment) as bench:
        answers = {subject: bench.carry_out(Order(subject, str(home))) for subject, home in homes.items()}
    refused = {subject: answer.status for subject, answer in answers.items() if answer.status}
    assert not refused, f"did not come to their end without any fault: {refused}"
    subjects = {answer.pid: subject for subject, answer in answers.items()}
    calls: dict[str, list[str]] = {subject: [] for subject in (WORKBENCH, *homes)}
    for line in log.read_text(errors="replace").splitlines():
        if found := CALL.match(line):
            calls[subjects.get(int(found["pid"]), WORKBENCH)].append(found["call"])
    return calls


def points_of(calls: list[str], home: Path) -> Trace:
    counts: Counter[str] = Counter()
    points = []
    for call in calls:
        name = call.partition("(")[0]
        counts[name] += 1
        if str(home) in call and not READS.match(call):
            points.append(Point(name, counts[name], call.replace(f"{home}/", "")))
    return Trace(points, counts)


class Striker:
    """One fault, at one point of one child after the other."""

    def __init__(self, fault: str, counts: Counter[str], log: Path, environment: dict[str, str] | None = None):
        """`counts`: at least as many calls, by name, as any subject makes in a calm run."""
        self._is_kill = fault == "SIGKILL"
        self._struck_at = {name: int(count * ROOM) + 50 for name, count in counts.items()}
        self._log = log
        self._answers: list[tuple[str, Answer]] = []
        injected = [f"inject={name}:{FAULTS[fault]}:when={number}" for name, number in self._struck_at.items()]
        options = [word for one in injected for word in ("-e", one)]
        fast = [] if self._is_kill else ["--seccomp-bpf"]  # stops only at our calls, but cannot send a signal there
        self.bench = Bench(*fast, "-o", f"|grep -a INJECTED >{log}", *options, environment=environment)

    def strike(self, subject: str, home: Path, point: Point) -> Answer:
        idle = self._struck_at[point.name] - point.number
        answer = self.bench.carry_out(Order(subject, str(home), point.name, idle))
        self._answers.append((f"{subject} at {point}", answer))
        return answer

    def check(self) -> None:
        """After the end: every child met its fault, and only that. Raises AssertionError."""
        if self._is_kill:
            missed = [told for told, answer in self._answers if answer.status != -signal.SIGKILL]
        else:
            hits = [int(line.split()[0]) for line in self._log.read_text(errors="replace").splitlines()]
            pairs = zip_longest(self._answers, hits, fillvalue=None)
            missed = [told[0] if told else "a second fault" for told, pid in pairs if not told or told[1].pid != pid]
        assert not missed, f"the first of {len(missed)} points that were not hit once: {missed[0]}"
