"""The judge sees what a broken realm would do: each fault is made here by hand, on a home that is in order."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from realm.core.history import EndedQuest, History, Outcome
from realm.core.paths import Home
from realm.core.status import QueueWatcherStatus, SchedulerStatus, TrainingStatus, Writer, write_status
from tests.soak.judge import Verdict, judge
from tests.soak.ledger import Drop, Fate, Ledger

NOW = datetime.now(UTC)


class Case:
    """A home in which two drops were trained, for five steps each, and one was refused."""

    def __init__(self, root: Path):
        self.home = Home(root / "home")
        self.home.create()
        self.ledger = Ledger(root / "ledger.jsonl")
        for serial, fate in enumerate(("trained", "trained", "refused"), start=1):
            self.drop(serial, fate)  # type: ignore[arg-type]
        self.claim(1)
        self.claim(2)
        self.refuse(3)
        self.statuses(step=10)

    def drop(self, serial: int, fate: Fate) -> "Case":
        self.ledger.dropped(Drop(serial, f"{serial}.jsonl", "moved", fate, sha256(serial), 0.0))
        return self

    def claim(self, number: int, serial: int = 0, outcome: Outcome = "completed") -> None:
        ended = EndedQuest(
            claim=number,
            campaign="c",
            quest=quest(serial or number),
            outcome=outcome,
            ended_at=NOW,
            sha256=sha256(serial or number),
            steps=5,
            data={"first_step": 5 * number - 5},
        )
        History(self.home.history, "trainer").append(ended)

    def refuse(self, serial: int) -> None:
        ended = EndedQuest(claim=None, quest=quest(serial), outcome="refused", ended_at=NOW, sha256=sha256(serial))
        History(self.home.history, "queue-watcher").append(ended)

    def statuses(self, step: int, state: str = "ended") -> None:
        for document in (
            TrainingStatus(**header("trainer", state), step=step),
            QueueWatcherStatus(**header("queue-watcher", "ended")),
            SchedulerStatus(**header("scheduler", "ended")),
        ):
            assert write_status(self.home.status, document) is None

    @property
    def verdict(self) -> Verdict:
        return judge(self.home, self.ledger)


def header(daemon: str, state: str) -> dict[str, Any]:
    writer = Writer(daemon=daemon, pid=1, boot_id="", started_at=NOW, version="", config_hash="")
    times = {"heartbeat_at": NOW, "interval_s": 2.0, "seq": 1, "ticked_at": NOW}
    return {"writer": writer, **times, "phase": "step", "phase_limit_s": 120.0, "state": state}


def sha256(serial: int) -> str:
    return f"{serial:064x}"


def quest(serial: int) -> str:
    return f"20260101T000000.{serial:06}Z-quest-{sha256(serial)[:8]}"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_home_in_order_has_no_violation(case: Case) -> None:
    assert case.verdict.all == []


def test_a_twin_is_refused_or_trained_a_retry_is_a_claim_more_and_what_was_removed_may_be_missing(case: Case) -> None:
    case.drop(1, "either")
    History(case.home.history, "queue-watcher").append(
        EndedQuest(claim=None, quest=quest(9), outcome="refused", ended_at=NOW, sha256=sha256(1))
    )
    case.ledger.retried[quest(2)] += 1
    case.claim(3, serial=2)
    case.drop(4, "trained")
    case.ledger.removed[quest(4)] = sha256(4)
    case.statuses(step=15)
    assert case.verdict.all == []


FAULTS: list[tuple[str, str, Callable[[Case], object]]] = [
    ("a drop that became nothing", "lost", lambda case: case.drop(4, "trained")),
    ("a quest that nobody dropped", "twice", lambda case: case.refuse(4)),
    ("a claim too many", "twice", lambda case: case.claim(3, serial=2)),
    ("a retry that was forgotten", "lost", lambda case: case.ledger.retried.update([quest(1)])),
    ("a claim that is missing", "lost", lambda case: case.drop(4, "trained").claim(4)),
    ("a bad drop that was trained", "wrong", lambda case: case.drop(4, "refused").claim(3, 4)),
    ("a good drop that was refused", "wrong", lambda case: case.drop(4, "trained").refuse(4)),
    ("a good drop that failed", "wrong", lambda case: case.drop(4, "trained").claim(3, 4, "failed")),
    ("steps that no claim has", "wrong", lambda case: case.statuses(step=11)),
    ("a trainer that did not end", "wrong", lambda case: case.statuses(step=10, state="stopping")),
    ("a scheduler that did not end", "wrong", lambda case: (case.home.status / SchedulerStatus.FILE).unlink()),
    ("damage that nobody noticed", "wrong", lambda case: case.ledger.damaged.add("5-1")),
    ("a seal that is bad by itself", "wrong", lambda case: (case.home.seals / "corrupt-5-1").mkdir()),
    ("a journal that lost lines", "wrong", lambda case: (case.home.current_model / "journal-hole-1").mkdir()),
    ("a quest left in processing", "stuck", lambda case: (case.home.processing / quest(1)).mkdir()),
    ("a quest left waiting", "stuck", lambda case: (case.home.queue / "low" / quest(1)).mkdir()),
    ("a drop left in the inbox", "stuck", lambda case: (case.home.inbox / "x.jsonl").touch()),
    ("a half-made quest", "stuck", lambda case: (case.home.staging / ".x").mkdir()),
    ("a flag left up", "stuck", lambda case: (case.home.control / ".skip").touch()),
]


@pytest.mark.parametrize(("fault", "kind", "make"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_a_fault_is_seen(case: Case, fault: str, kind: str, make: Callable[[Case], object]) -> None:
    make(case)
    assert getattr(case.verdict, kind), fault
