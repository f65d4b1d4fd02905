"""What is measured while it runs: each daemon's memory, and the size of the home."""

import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from realm.core.status import QueueWatcherStatus, SchedulerStatus, Status, TrainingStatus
from tests.soak.machine import Machine

MIB = 2**20
FILES = {
    "trainer": TrainingStatus.FILE,
    "queue-watcher": QueueWatcherStatus.FILE,
    "scheduler": SchedulerStatus.FILE,
}


@dataclass(frozen=True)
class Sample:
    at: float  # monotonic
    pid: int
    resident: int  # bytes


class Gauges:
    """Looks every few seconds, until told to end."""

    def __init__(self, machine: Machine, every: float = 2.0):
        self.memory: dict[str, list[Sample]] = defaultdict(list)
        self.peak: dict[str, int] = defaultdict(int)  # bytes, as the kernel knows it of each process
        self.sizes: list[tuple[float, int]] = []  # monotonic, bytes
        self.waiting_at_most = 0
        self._machine, self._every = machine, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gauges", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def save(self, file: Path) -> None:
        """A line for each sample, for a person who looks for a leak."""
        lines = [{"daemon": daemon, **asdict(one)} for daemon, samples in self.memory.items() for one in samples]
        file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def growth(self, daemon: str, since: float) -> int | None:
        """Bytes by which the second half's largest exceeds the first half's, from a moment on; None if unknown."""
        samples = [sample for sample in self.memory[daemon] if sample.at >= since]
        middle = len(samples) // 2
        if middle < 3 or len({sample.pid for sample in samples}) > 1:
            return None
        first, second = samples[:middle], samples[middle:]
        return max(one.resident for one in second) - max(one.resident for one in first)

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self.sizes.append((time.monotonic(), self._machine.used() - self._ballast()))
            for daemon, file in FILES.items():
                with suppress(OSError, msgspec.MsgspecError):  # it is down, or starting
                    self._look(daemon, file)

    def _look(self, daemon: str, file: str) -> None:
        home = self._machine.home
        pid = msgspec.json.decode((home.status / file).read_bytes(), type=Status).writer.pid
        fields = dict(line.split(":", 1) for line in self._proc(pid, "status").read_text().splitlines())
        if daemon not in self._proc(pid, "cmdline").read_text():
            return  # the one that wrote it is gone
        self.peak[daemon] = max(self.peak[daemon], _kib(fields["VmHWM"]))
        self.memory[daemon].append(Sample(time.monotonic(), pid, _kib(fields["VmRSS"])))

    def _proc(self, pid: int, file: str) -> Path:
        return self._machine.root / "proc" / str(pid) / file

    def _ballast(self) -> int:
        try:
            return (self._machine.home.inbox / ".soak/ballast").stat().st_size
        except FileNotFoundError:
            return 0


def _kib(field: str) -> int:
    return int(field.split()[0]) * 1024
