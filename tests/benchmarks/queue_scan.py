"""How long finding the next quest takes among many that wait: python -m tests.benchmarks.queue_scan --rounds 5

A queue of 1,000, 10,000 and 100,000 waiting quests. Beside ours stands what a queue does that takes the oldest file by
its time (one stat for each), and one that reads all names and sorts them.
"""

import os
import tempfile
from functools import partial
from pathlib import Path

from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.benchmarks import measuring
from tests.benchmarks.measuring import Asked, Row, Table, paired, seconds_of

BY_TIME, NAMES = "scandir, stat, by time", "scandir, names alone"


def measure(asked: Asked) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name) / "home")
        home.create()
        return [among(home, count, asked.rounds) for count in ((100, 1000) if asked.small else (1000, 10_000, 100_000))]


def among(home: Home, count: int, rounds: int) -> Table:
    queue, folder = QuestQueue(home), home.queue / "normal"
    for number in range(len(queue.waiting()), count):
        moment = f"{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}.{number:06}"
        (folder / f"20260101T{moment}Z-bench-0a1b2c3d").mkdir()
    ways = {
        "the next quest": lambda: next(queue.in_turn()),
        "all that wait": queue.waiting,
        BY_TIME: partial(by_time, folder),
        NAMES: partial(by_name, folder),
    }
    timed = {way: partial(milliseconds, act) for way, act in ways.items()}
    rows = [Row(way, values) for way, values in paired(timed, rounds).items()]
    return Table(f"Queue scan: {count:,} quests wait", "ms", rows, rival=BY_TIME)


def by_time(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [name for _, name in sorted((entry.stat().st_mtime_ns, entry.name) for entry in entries)]


def by_name(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def milliseconds(act: object) -> float:
    return 1000 * seconds_of(act)  # type: ignore[arg-type]


if __name__ == "__main__":
    measuring.run(__doc__, measure)
