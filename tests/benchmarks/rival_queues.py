"""Two file queues that people use, and ours, under the same faults: python -m tests.benchmarks.rival_queues

A job is enqueued beside one that waits, both are taken, done and acknowledged; one fault at every call that changes a
file; then a new process enqueues again what was not acknowledged, and works the queue empty. A job is lost if nobody
did it though its enqueueing returned; done twice if its work was; torn if it was done with other bytes; stuck if the
new process raised or hung. Needs `pip install -e .[rivals]`, and strace.

Who loses nothing must do a job again whose worker died between the work and its acknowledgement: that much is `twice`
for every queue. The trainer's own work is not: its seals name what they hold (`python -m tests.protocol --lives all`).
"""

import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, QuestQueue
from tests.protocol.injection import FAULTS, MEMORY, Bench, Striker, points_of, traced
from tests.protocol.subject import VERDICT, Complaint, Complaints
from tests.protocol.table import Row, lines
from tests.protocol.workbench import ENDED, SUBJECTS_VARIABLE, Order

ENVIRONMENT = {SUBJECTS_VARIABLE: "tests.benchmarks.rival_queues"}
FIRST, SECOND = (f"20260101T00000{number}.000000Z-job-0123abcd" for number in (1, 2))


class Rival(Protocol):
    """One queue in a folder, opened as its documentation says."""

    def __init__(self, folder: Path): ...
    def enqueue(self, job: bytes) -> None: ...
    def take(self) -> bytes | None: ...
    def acknowledge(self) -> None: ...


class Huey:
    def __init__(self, folder: Path):
        from huey.storage import FileStorage

        self._storage = FileStorage("jobs", str(folder))

    def enqueue(self, job: bytes) -> None:
        self._storage.enqueue(job)

    def take(self) -> bytes | None:
        return self._storage.dequeue()  # type: ignore[no-any-return]

    def acknowledge(self) -> None:
        """It has none: a job that was taken is no longer there."""


class PersistQueue:
    def __init__(self, folder: Path):
        from persistqueue import Queue

        folder.mkdir(exist_ok=True)
        self._queue = Queue(str(folder / "jobs"), tempdir=str(folder))

    def enqueue(self, job: bytes) -> None:
        self._queue.put(job)

    def take(self) -> bytes | None:
        return self._queue.get() if self._queue.qsize() else None

    def acknowledge(self) -> None:
        self._queue.task_done()


class Realm:
    def __init__(self, folder: Path):
        home = Home(folder)
        if home.missing():
            home.create()
        self._queue = QuestQueue(home)
        self._queue.sweep()
        for leftover in home.staging.iterdir():
            shutil.rmtree(leftover)
        for name in self._queue.names("processing"):
            self._queue.release(name, "normal")

    def enqueue(self, job: bytes) -> None:
        name = name_of(job)
        staging = self._queue.home.staging / f".{name}"
        if not self._queue.find(name):
            staging.mkdir()
            (staging / QUEST_FILE).write_bytes(job)
        self._queue.publish(staging, name, "normal")

    def take(self) -> bytes | None:
        waiting = self._queue.waiting()
        if not waiting:
            return None
        self._taken = waiting[0].name
        return (self._queue.claim(self._taken) / QUEST_FILE).read_bytes()

    def acknowledge(self) -> None:
        self._queue.complete(self._taken, VERDICT)


RIVALS: dict[str, type[Rival]] = {"huey FileStorage": Huey, "persist-queue Queue": PersistQueue, "realm": Realm}


def job_of(name: str) -> bytes:
    return f"{name}\n".encode() * 60


def name_of(job: bytes) -> str:
    return job.partition(b"\n")[0].decode(errors="replace")


# In the struck process, and in the next one


def told_by(home: Home) -> Path:
    """Where clients and workers write down what they know: no part of any queue."""
    return home.root.parent / "told"


def tell(home: Home, word: str, name: str) -> None:
    with (told_by(home) / word).open("a") as file:
        file.write(f"{name}\n")


def heard(home: Home, word: str) -> list[str]:
    file = told_by(home) / word
    return file.read_text().splitlines() if file.exists() else []


def enqueue_and_work(rival: type[Rival], home: Home) -> None:
    queue = rival(home.root / "queue")
    if SECOND not in heard(home, "enqueued"):
        queue.enqueue(job_of(SECOND))
        tell(home, "enqueued", SECOND)
    while (job := queue.take()) is not None:
        name = name_of(job)
        tell(home, "done" if job in (job_of(FIRST), job_of(SECOND)) else "torn", name)
        queue.acknowledge()


ACTS: dict[str, Callable[[Home], None]] = {name: partial(enqueue_and_work, rival) for name, rival in RIVALS.items()}


# The judge


def prepared(rival: type[Rival], folder: Path) -> Home:
    home = Home(folder)
    home.root.mkdir()
    rival(home.root / "queue").enqueue(job_of(FIRST))
    told_by(home).mkdir()
    tell(home, "enqueued", FIRST)
    return home


def judged(bench: Bench, name: str, home: Home) -> Complaints:
    status = bench.carry_out(Order(name, str(home.root))).status
    if status != ENDED:
        yield Complaint("stuck", "it hangs" if status == -signal.SIGALRM else "the next process fails")
    done = Counter(heard(home, "done"))
    for job in heard(home, "enqueued"):
        if not done[job]:
            yield Complaint("lost", job)
        elif done[job] > 1:
            yield Complaint("twice", job)
    for job in heard(home, "torn"):
        yield Complaint("torn", job)
    for file in home.root.rglob("*"):
        if file.is_file() and ("tmp" in file.name or home.root / "queue" / ".staging" in file.parents):
            yield Complaint("leftover", file.name)


def struck(name: str, fault: str, folder: Path) -> Row:
    made = prepared(RIVALS[name], folder / "made")
    told = folder / "told-when-made"
    shutil.copytree(told_by(made), told)
    calm = Home(folder / "calm")
    shutil.copytree(made.root, calm.root)
    traces = {
        who: points_of(calls, calm.root)
        for who, calls in traced({name: calm.root}, folder / "calls", ENVIRONMENT).items()
    }
    counts = Counter[str]()
    for trace in traces.values():
        counts |= trace.counts
    striker = Striker(fault, counts, folder / "hits", ENVIRONMENT)
    row = Row(name, fault)
    with striker.bench, Bench(environment=ENVIRONMENT) as next_process:
        for point in traces[name].points:
            home = Home(folder / "struck")
            shutil.rmtree(told_by(home))
            shutil.copytree(told, told_by(home))
            shutil.copytree(made.root, home.root)
            striker.strike(name, home.root, point)
            row.add(point, judged(next_process, name, home))
            shutil.rmtree(home.root)
    striker.check()
    return row


def main() -> None:
    rows = []
    for name in RIVALS:
        for fault in FAULTS:
            with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
                rows.append(struck(name, fault, Path(folder)))
    print(*lines(rows, "queue"), sep="\n")
    if "--verbose" in sys.argv:
        print(*(complaint for row in rows for complaint in row.complaints), sep="\n")


if __name__ == "__main__":
    main()
