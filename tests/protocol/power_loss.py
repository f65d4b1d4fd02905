"""Power loss: whatever a cut leaves of what was not synced, recovery finds everything that was acknowledged, whole.

Each subject (the journal, a transition of the queue, ...) is run once under strace. Its calls are done again to a model
of a disk; between any two of them, every state that the model says a cut may leave is laid out as real files, recovered
by the product's own code, looked at, and its acts are done again: they must succeed. Then the same for two faults: the
run is killed at a sync, a new process starts from what the kernel still held, does its acts, and the power goes.

    python -m tests.protocol.power_loss [SUBJECT...]       every state: the table, and what was found

`power_loss_disk.py` states the model and what it leaves out, `power_loss_mutations.py` breaks the product on purpose.
"""

import copy
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from realm.core.paths import Home
from tests.protocol.power_loss_disk import UMASK, Disk, State, lay
from tests.protocol.power_loss_subject import Subject, conditions, problem_after
from tests.protocol.power_loss_subjects import SUBJECTS
from tests.protocol.power_loss_trace import HOMES, Call, Mark, Redo, record

SEED = 1
MEMORY = Path("/dev/shm")
SYNCS = ("fsync", "fdatasync")


@dataclass
class Row:
    """Of the table: one subject."""

    subject: str
    calls: int = 0  # that change files
    states: int = 0  # laid out and recovered
    kills: int = 0
    states_after_kills: int = 0
    violations: list[str] = field(default_factory=list)


class Recording(NamedTuple):
    """A run of a subject: the disk before it, and what it did."""

    root: Path
    before: Disk
    events: list[Call | Mark]


@dataclass
class Moment:
    """Between two events of a recording."""

    disk: Disk
    acknowledged: int
    next: Call | Mark | None  # None: the run is over
    problem: str | None = None  # what stopped the run


class Laboratory:
    """A folder in memory where runs are recorded and states laid out."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._laid = 0
        (folder / HOMES).mkdir()

    def record(self, runs: list[tuple[str, str]]) -> list[Recording]:
        """One recording for each (subject, mutation or "")."""
        roots = [self._new_home() for _ in runs]
        for root, (subject, _) in zip(roots, runs, strict=True):
            root.mkdir()
            with conditions():
                SUBJECTS[subject].lay(Home(root))
        recordings = self._recorded(roots, [Disk.of(root) for root in roots], runs)
        for recording, run in zip(recordings, runs, strict=True):
            *_, end = moments(recording)
            assert not end.problem, f"{run} did not come to its end: {end.problem}"
        return recordings

    def record_restarts(self, subject: str, disks: list[Disk]) -> list[Recording]:
        """The subject begun again, with what the kernel held of each disk when the run was killed."""
        roots = [self._new_home() for _ in disks]
        for root, disk in zip(roots, disks, strict=True):
            lay(disk.now(), root)
        return self._recorded(roots, disks, [(subject, "") for _ in disks])

    def _recorded(self, roots: list[Path], disks: list[Disk], runs: list[tuple[str, str]]) -> list[Recording]:
        plan = [(root.name, *run) for root, run in zip(roots, runs, strict=True)]
        (self._folder / "plan.json").write_text(json.dumps(plan))
        events = record(self._folder, "-m", "tests.protocol.power_loss_driver", str(self._folder))
        recordings = [Recording(root, disk, events.get(root.name, [])) for root, disk in zip(roots, disks, strict=True)]
        for recording in recordings:
            *_, end = moments(recording)
            differing = set(end.disk.now()) ^ set(Disk.of(recording.root).now())
            assert not differing, f"the model is not what the run left: {differing}"
            shutil.rmtree(recording.root)
        return recordings

    def _new_home(self) -> Path:
        self._laid += 1
        return self._folder / HOMES / str(self._laid)

    def problem_of(self, state: State, subject: Subject, acknowledged: int) -> str | None:
        root = self._new_home()
        lay(state, root)
        try:
            return problem_after(subject, root, acknowledged)
        finally:
            shutil.rmtree(root)


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**30
    before = os.umask(UMASK)
    with tempfile.TemporaryDirectory(prefix="realm-power-", dir=MEMORY if roomy else None) as folder:
        try:
            yield Laboratory(Path(folder))
        finally:
            os.umask(before)


def moments(recording: Recording) -> Iterator[Moment]:
    """Every moment of a run, on one disk that changes as they pass."""
    disk = copy.deepcopy(recording.before)
    redo = Redo(disk, recording.root)
    acknowledged, problem = 0, None
    for event in recording.events:
        yield Moment(disk, acknowledged, event, problem)
        if isinstance(event, Call):
            redo(event)
        elif event.text.isdecimal():
            acknowledged = int(event.text)
        else:
            problem = event.text
    yield Moment(disk, acknowledged, None, problem)


def cut_anywhere(lab: Laboratory, subject: Subject, recording: Recording) -> Iterator[tuple[int, str | None]]:
    """(acts acknowledged, what is wrong) for every state that a cut at any moment may leave."""
    tried: set[tuple[State, int]] = set()
    for moment in moments(recording):
        for state in moment.disk.after_a_cut(random.Random(SEED)):
            if (state, moment.acknowledged) not in tried:
                tried.add((state, moment.acknowledged))
                yield moment.acknowledged, lab.problem_of(state, subject, moment.acknowledged)


def explore(lab: Laboratory, subject: Subject, recording: Recording, most: int | None = None) -> Row:
    """Cuts at every moment; and in a second life, after a kill at each sync of the first.

    The second life is cut when it has acknowledged what the kill interrupted, and at its end. Of the states at either
    moment no more than `most` are tried, chosen at random with a seed.
    """
    row = Row(subject.name, calls=sum(isinstance(event, Call) for event in recording.events))
    for acknowledged, problem in cut_anywhere(lab, subject, recording):
        row.states += 1
        if problem:
            row.violations.append(f"cut after act {acknowledged}: {problem}")
    kills = [copy.deepcopy(moment) for moment in moments(recording) if _is_sync(moment.next)]
    row.kills = len(kills)
    for kill, second in zip(kills, lab.record_restarts(subject.name, [kill.disk for kill in kills]), strict=True):
        *_, end = moments(second)
        if end.problem:
            row.violations.append(f"killed, begun again: {end.problem}")
        for state, acknowledged in _cuts_of_a_second_life(second, kill.acknowledged + 1, most):
            row.states_after_kills += 1
            if problem := lab.problem_of(state, subject, acknowledged):
                row.violations.append(f"killed, begun again, cut after act {acknowledged}: {problem}")
    return row


def _cuts_of_a_second_life(recording: Recording, interrupted: int, most: int | None) -> Iterator[tuple[State, int]]:
    """(state, acts acknowledged) when act `interrupted` has just been acknowledged, and at the end."""
    before = 0
    for moment in moments(recording):
        if moment.next is None or before < moment.acknowledged == interrupted:
            states = list(dict.fromkeys(moment.disk.after_a_cut(random.Random(SEED))))
            yield from ((state, moment.acknowledged) for state in _some(states, most))
        before = moment.acknowledged


def _some(states: list[State], most: int | None) -> list[State]:
    """The first (nothing that was not synced is there), the last (all of it is), and a sample of the others."""
    if most is None or len(states) <= most:
        return states
    return [states[0], states[-1], *random.Random(SEED).sample(states[1:-1], most - 2)]


def _is_sync(event: Call | Mark | None) -> bool:
    return isinstance(event, Call) and event.name in SYNCS


def first_violation(lab: Laboratory, subject: Subject, recording: Recording) -> tuple[int, str | None]:
    """(states tried, what was wrong with the last of them)."""
    tried = 0
    for _, problem in cut_anywhere(lab, subject, recording):
        tried += 1
        if problem:
            return tried, problem
    return tried, None


def table(rows: list[Row]) -> Iterator[str]:
    """Lines for people."""
    yield f"{'subject':26}{'calls':>7}{'states':>8}{'kills':>7}{'states after':>14}{'violations':>12}"
    for row in rows:
        counts = f"{row.calls:>7}{row.states:>8}{row.kills:>7}{row.states_after_kills:>14}{len(row.violations):>12}"
        yield f"{row.subject:26}{counts}"
    total = sum(row.states + row.states_after_kills for row in rows)
    yield f"{total:,} states tried, {sum(len(row.violations) for row in rows)} violations"


def main() -> int:
    wanted = [name for name in SUBJECTS if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    rows = []
    with laboratory() as lab:
        for name, recording in zip(wanted, lab.record([(name, "") for name in wanted]), strict=True):
            rows.append(explore(lab, SUBJECTS[name], recording))
            for violation in dict.fromkeys(rows[-1].violations):
                print(f"{name}: {violation}")
    print(*table(rows), sep="\n")
    return int(any(row.violations for row in rows))


if __name__ == "__main__":
    sys.exit(main())
