"""From the drop to the first step: python -m tests.benchmarks.turnaround --rounds 5

A quest of 200 lines is dropped into the inbox of an idle, warm realm whose trainer and queue-watcher run as a person
runs them. Beside it a process that loads the same model and trains a file like it: HF Trainer, and TRL packing. Time
runs until the first optimizer step is done. Then two quests are dropped at once: how long the first step of the second
waits after the last step of the first.
"""

import os
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks import measuring, subject
from tests.benchmarks.living import LivingRealm, Row
from tests.benchmarks.measuring import Asked, Table, paired
from tests.benchmarks.workers import HF_PADDED, TRL_PACKING, Order, Worker, rivals_python

OURS = "ours, idle and warm"


def measure(asked: Asked) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        architecture, lines = (subject.TINY, 20) if asked.small else (subject.SIX_MILLION, 200)
        model = subject.make_hero(folder / "model", architecture)
        with LivingRealm(folder / "home", model) as realm:
            realm.drop("warm", subject.forge(lines, seed=0))
            realm.trained("warm")
            return [first_step(asked, realm, model, lines), next_quest(asked, realm, lines)]


def first_step(asked: Asked, realm: LivingRealm, model: Path, lines: int) -> Table:
    steps: list[Row] = []
    numbers = count(1)
    ways: dict[str, Callable[[], float]] = {OURS: lambda: dropped(realm, next(numbers), lines, steps)}
    if asked.rivals:
        quest = model.with_name("quest.jsonl")
        quest.write_bytes(subject.forge(lines, seed=0))
        ways |= {f"{way}, cold": partial(cold, way, quest, model) for way in (HF_PADDED, TRL_PACKING)}
    rounds = paired(ways, asked.rounds)
    return Table(
        title=f"Turnaround: a quest of {lines} lines, from its drop (rivals: from the process's start)",
        unit="s to the end of the first step",
        rows=[measuring.Row(way, values) for way, values in rounds.items()],
        rival=f"{TRL_PACKING}, cold" if asked.rivals else None,
        notes=[f"of ours, the first step itself: {median(step['seconds'] for step in steps):.2f} s"],
    )


def dropped(realm: LivingRealm, number: int, lines: int, steps: list[Row]) -> float:
    moment = realm.drop(f"first-{number}", subject.forge(lines, seed=number))
    steps.append(realm.trained(f"first-{number}")[0])
    return ended(steps[-1]) - moment


def cold(way: str, quest: Path, model: Path, **more: object) -> float:
    """Seconds from the start of a rival's process to the end of its first optimizer step."""
    what = {
        "act": "cold",
        "way": way,
        "quest": quest,
        "model": model,
        "folder": model.parent,
        "threads": len(os.sched_getaffinity(0)),
        "training": msgspec.to_builtins(subject.TRAINING),
        **more,
    }
    python, began = rivals_python(), time.monotonic()
    worker = Worker(Order(python, "tests.benchmarks.rival_trainers", what))
    seconds = float(worker.answer()["first_step"]) - began
    worker.close()
    return seconds


def next_quest(asked: Asked, realm: LivingRealm, lines: int) -> Table:
    waits, steps = [], []
    for number in range(asked.rounds):
        for place in ("a", "b"):
            realm.drop(f"pair-{number}-{place}", subject.forge(lines, seed=1000 + 2 * number + (place == "b")))
        before, after = (realm.trained(f"pair-{number}-{place}") for place in ("a", "b"))
        waits.append(1000 * (ended(after[0]) - after[0]["seconds"] - ended(before[-1])))
        steps.append(1000 * median(row["seconds"] for row in [*before, *after]))
    return Table(
        title="Between two queued quests: from the last step of the first to the first step of the second",
        unit="ms",
        rows=[measuring.Row("ours", waits), measuring.Row("one step of ours", steps)],
        rival="one step of ours",
    )


def ended(row: Row) -> float:
    """The moment at which a step had ended, to the millisecond."""
    return datetime.fromisoformat(row["at"]).timestamp()


if __name__ == "__main__":
    measuring.run(__doc__, measure)
