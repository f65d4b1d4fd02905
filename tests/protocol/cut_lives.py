"""Cuts whole lives of the trainer, and lives on: each must come to the end of the one that was not cut."""

import random
import re
import shutil
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, takewhile, zip_longest
from pathlib import Path

from realm.core.paths import Home
from tests.protocol import audit
from tests.protocol.chain_life import Outcome, memory_of, outcome_of, prepare, prepare_resume
from tests.protocol.every_call import passed_over
from tests.protocol.injection import Bench, Point, Striker, points_of, traced
from tests.protocol.subject import Complaint, Complaints, Kind
from tests.protocol.subjects import LIFE
from tests.protocol.table import Row
from tests.protocol.workbench import CRASHED, ENDED, Order

RESTARTS = 3  # after one fault a life must go on for good; a few more ends are allowed, not any number
PATH = re.compile(r'[<"]([^<>"]+)')
TRUTH = ("journal", "queue", "history", "control")  # a sync that fails here ends the process
PUT_OFF = ("seals", "checkpoint-")  # what fails is told, and tried again
SILENT = (".attempt", "events", "metrics", "status", "locks")  # no decision rests on it
AREAS = (*TRUTH, *PUT_OFF, *SILENT)

Choose = Callable[[Sequence[Point]], Sequence[Point]]


def area_of(point: Point) -> str:
    path = next((one for one in PATH.findall(point.about) if not one.startswith("/")), "")
    return next((area for area in AREAS if area in path), "other")


def sampled(points: Sequence[Point], count: int | None, seed: int) -> list[Point]:
    """So many of them (None: all): no area comes again before all others came."""
    dice = random.Random(seed)
    areas = defaultdict(list)
    for point in dice.sample(points, len(points)):
        areas[area_of(point)].append(point)
    rounds = zip_longest(*areas.values())
    return [point for point in chain.from_iterable(rounds) if point][:count]


def cut(fault: str, folder: Path, count: int | None = None, seed: int = 1) -> list[Row]:
    """`count` points of a life (None: all), and all at which a killed one resumes; a row for each area."""
    lived, weights = cut_at("life", prepare, lambda points: sampled(points, count, seed), fault, folder / "life")
    resumed, again = cut_at("resume", prepare_resume, recovery, fault, folder / "resume")
    assert weights == again, "a life that was killed and resumed from its older seal ended with other weights"
    return [*lived, *resumed]


def recovery(points: Sequence[Point]) -> list[Point]:
    """Those before the first step is tried."""
    return list(takewhile(lambda point: not (point.name == "pwrite64" and area_of(point) == ".attempt"), points))


def cut_at(
    title: str,
    begin: Callable[[Home], None],
    choose: Choose,
    fault: str,
    folder: Path,
    environment: dict[str, str] | None = None,
) -> tuple[list[Row], str]:
    """The rows, and the weights to which every life must come. Raises AssertionError if a point was not hit."""
    made = Home(folder / "made")
    made.create()
    begin(made)
    calm = _copied(made, folder / "calm")
    calls = traced({LIFE: calm.root}, folder / "calls", environment)
    traces = {name: points_of(lines, calm.root) for name, lines in calls.items()}
    expected = outcome_of(calm)
    counts = Counter[str]()
    for trace in traces.values():
        counts |= trace.counts
    striker = Striker(fault, counts, folder / "hits", environment)
    rows: dict[str, Row] = {}
    with striker.bench, Bench() as bench:
        for point in choose(traces[LIFE].points):
            home = _copied(made, folder / "cut")
            answer = striker.strike(LIFE, home.root, point)
            row = rows.setdefault(area_of(point), Row(f"{title}: {area_of(point)}", fault))
            told = passed_over(fault, point, answer) if area_of(point) in TRUTH else ()
            row.add(point, [*told, *judged(bench, home, answer.status, expected)])
            shutil.rmtree(home.root)
            shutil.rmtree(memory_of(home), ignore_errors=True)
    striker.check()
    return [rows[area] for area in sorted(rows)], expected.weights


def judged(bench: Bench, home: Home, status: int, expected: Outcome) -> Complaints:
    yield from audit.torn(home)
    statuses = [status]
    while statuses[-1] != ENDED and len(statuses) <= RESTARTS:
        audit.an_hour_passes(home)
        (home.locks / "trainer.starts").unlink(missing_ok=True)  # no back-off: the deaths are ours
        statuses.append(bench.carry_out(Order(LIFE, str(home.root))).status)
    if CRASHED in statuses or -signal.SIGALRM in statuses or statuses[-1] != ENDED:
        yield Complaint("stuck", f"its lives ended with {statuses}")
        return
    yield from audit.torn(home)
    yield from audit.left_over(home)
    try:
        yield from differences(expected, outcome_of(home))
    except Exception as error:  # noqa: BLE001 - what cannot be read is torn
        yield Complaint("torn", f"{type(error).__name__}: {error}")


def differences(expected: Outcome, found: Outcome) -> Iterator[Complaint]:
    if found.weights != expected.weights:
        yield Complaint("lost", "other weights")
    if found.history != expected.history:
        kind: Kind = "twice" if len(found.history) > len(expected.history) else "lost"
        yield Complaint(kind, f"history: {found.history}")
    if found.folders != expected.folders:
        yield Complaint("lost", f"folders: {found.folders}")
    if not found.rows.items() <= expected.rows.items():
        yield Complaint("torn", "metrics have other rows")


def _copied(home: Home, root: Path) -> Home:
    copy = Home(root)
    shutil.copytree(home.root, copy.root, symlinks=True)
    if memory_of(home).exists():
        shutil.copytree(memory_of(home), memory_of(copy))
    return copy
