"""Strikes subjects at every call that changes a file, and judges what is left."""

import shutil
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from realm.core.paths import Home
from tests.protocol import audit
from tests.protocol.injection import Point, Striker, Trace, points_of, traced
from tests.protocol.subject import Complaint, Complaints, Subject
from tests.protocol.subjects import SUBJECTS
from tests.protocol.table import Row
from tests.protocol.workbench import CRASHED, ENDED, Answer

SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs")


def prepared(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """A home for each subject."""
    homes = {}
    for name in names:
        home = Home(folder / name.replace(" ", "-"))
        home.create()
        SUBJECTS[name].prepare(home)
        homes[name] = home.root
    return homes


def calm_calls(made: dict[str, Path], folder: Path, environment: dict[str, str] | None = None) -> dict[str, Trace]:
    homes = {name: folder / f"calm-{home.name}" for name, home in made.items()}
    for name, home in homes.items():
        shutil.copytree(made[name], home, symlinks=True)
    calls = traced(homes, folder / "calls", environment)
    return {name: points_of(calls[name], homes.get(name, folder)) for name in calls}


def struck(names: Sequence[str], fault: str, folder: Path, environment: dict[str, str] | None = None) -> list[Row]:
    """One row for each subject: a fault at every call of its calm run. Raises AssertionError if one was not hit."""
    made = prepared(names, folder / "made")
    traces = calm_calls(made, folder, environment)
    counts: Counter[str] = Counter()
    for trace in traces.values():
        counts |= trace.counts
    striker = Striker(fault, counts, folder / f"{fault}.hits", environment)
    rows = []
    with striker.bench:
        for name in names:
            row = Row(name, fault)
            calm = Home(folder / f"calm-{made[name].name}")
            row.add("no call", judged(SUBJECTS[name], calm, Answer(0, ENDED)), is_point=False)
            for point in traces[name].points:
                root = folder / "struck"
                shutil.copytree(made[name], root, symlinks=True)
                answer = striker.strike(name, root, point)
                told = passed_over(fault, point, answer) if SUBJECTS[name].is_truth else ()
                row.add(point, [*told, *judged(SUBJECTS[name], Home(root), answer)])
                shutil.rmtree(root)
            rows.append(row)
    striker.check()
    return rows


def passed_over(fault: str, point: Point, answer: Answer) -> Complaints:
    if answer.status == ENDED and fault == "EIO" and point.name in SYNCS:
        yield Complaint("lost", "a failed sync is passed over in silence")


def judged(subject: Subject, home: Home, answer: Answer) -> Complaints:
    """First as a reader sees it, then as the next start leaves it."""
    if answer.status in (CRASHED, -signal.SIGALRM):
        yield Complaint("stuck", "it crashed" if answer.status == CRASHED else "it hung")
    yield from audit.torn(home)
    if answer.status == ENDED:
        yield from (Complaint(kind, f"told as done: {text}") for kind, text in checked(subject, home))
    try:
        audit.start_of_daemons(home)
        subject.act(home)
    except Exception as error:  # noqa: BLE001 - it is judged, whatever it is
        yield Complaint("stuck", f"again: {type(error).__name__}: {error}")
    yield from audit.torn(home)
    yield from audit.left_over(home)
    yield from checked(subject, home)


def checked(subject: Subject, home: Home) -> Complaints:
    try:
        yield from subject.check(home)
    except Exception as error:  # noqa: BLE001 - what cannot even be looked at is stuck
        yield Complaint("stuck", f"{type(error).__name__}: {error}")
